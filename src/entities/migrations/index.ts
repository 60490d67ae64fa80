import type { MigrationObject } from '@mikro-orm/core';
import { Migration001 } from './001-initial.js';

/** Every migration, oldest first. A landed one is never edited: a change is a new one. */
export const migrations: MigrationObject[] = [{ name: '001-initial', class: Migration001 }];
