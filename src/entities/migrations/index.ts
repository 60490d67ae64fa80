import type { MigrationObject } from '@mikro-orm/core';
import { Migration001 } from './001-initial.js';
import { Migration002 } from './002-operations.js';
import { Migration003 } from './003-contract-changed.js';
import { Migration004 } from './004-metrics.js';
import { Migration005 } from './005-callback-dials.js';
import { Migration006 } from './006-call-analysis.js';
import { Migration007 } from './007-metrics-hour.js';
import { Migration008 } from './008-callback-promises.js';
import { Migration009 } from './009-settled-contracts.js';
import { Migration010 } from './010-synthetic-sessions.js';
import { Migration011 } from './011-evaluation-revision.js';
import { Migration012 } from './012-reviewed-at.js';
import { Migration013 } from './013-call-prompt-variables.js';
import { Migration014 } from './014-append-only.js';

/** Every migration, oldest first. A landed one is never edited: a change is a new one. */
export const migrations: MigrationObject[] = [
  { name: '001-initial', class: Migration001 },
  { name: '002-operations', class: Migration002 },
  { name: '003-contract-changed', class: Migration003 },
  { name: '004-metrics', class: Migration004 },
  { name: '005-callback-dials', class: Migration005 },
  { name: '006-call-analysis', class: Migration006 },
  { name: '007-metrics-hour', class: Migration007 },
  { name: '008-callback-promises', class: Migration008 },
  { name: '009-settled-contracts', class: Migration009 },
  { name: '010-synthetic-sessions', class: Migration010 },
  { name: '011-evaluation-revision', class: Migration011 },
  { name: '012-reviewed-at', class: Migration012 },
  { name: '013-call-prompt-variables', class: Migration013 },
  { name: '014-append-only', class: Migration014 },
];
