import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { Prompt, PromptRevision, type AgentVersion } from '../entities/index.js';
import type { Page } from '../lib/cursor.js';
import { AppError, notFound } from '../lib/errors.js';
import { isUuid } from '../lib/ids.js';
import { lineDiff } from '../lib/line-diff.js';
import { misnamedIn, variablesIn } from '../lib/prompt-template.js';
import { audit } from './audit-log.js';
import { Checks, knownId } from './checks.js';
import type { ServiceContext } from './context.js';
import {
  given,
  listOffset,
  listPage,
  type NamedByKey,
  type OffsetRequest,
  type PageRequest,
  type Rows,
} from './listing.js';
import { existingTenant } from './tenants.js';
import { actorOf, emFor, requireAdmin, requireScope, tenantOf, type Viewer } from './viewer.js';
import { inTransaction, orConflict, snapshot } from './writes.js';

export interface NewPrompt extends NewPromptRevision {
  tenantId?: string | null;
  key: string;
  name?: string | null;
  /** The first revision is what `system_prompt_key` resolves to at once. */
  publish?: boolean | null;
}
export interface NewPromptRevision {
  text: string;
  /** Every `{{name}}` of the text, and nothing else; missing: taken from the text. */
  variables?: readonly string[] | null;
  note?: string | null;
}

/** For an agent that nobody gave a prompt. */
export const PLAIN_PROMPT =
  'You are a friendly voice agent on the telephone. Speak in short sentences. ' +
  'Find out what the caller needs, help where you can, and offer a person where you cannot.';
export const MAX_PROMPT_LENGTH = 50_000;
/** Keeps the diff of two revisions cheap. */
const MAX_PROMPT_LINES = 2_000;

/** System prompts by key. Revisions never change; publishing one is what changes. */
export class Prompts {
  constructor(private readonly ctx: ServiceContext) {}

  /** With its first revision. Throws VALIDATION_FAILED, NOT_FOUND, CONFLICT when the key is taken. */
  async create(viewer: Viewer, input: NewPrompt): Promise<Prompt> {
    requireAdmin(viewer);
    const checks = new Checks();
    const key = checks.key('key', input.key);
    const name = checks.optionalText('name', input.name, { max: 200 }) ?? key;
    const revision = checkedRevision(checks, input);
    checks.done();
    const { id: tenantId } = await existingTenant(this.ctx, viewer, input.tenantId);
    return orConflict(`A prompt with the key ${key} exists`, () =>
      inTransaction(this.ctx, viewer, async (em) => {
        const publishedRevision = input.publish === true ? 1 : null;
        const prompt = em.create(Prompt, { tenantId, key, name, publishedRevision });
        await em.flush();
        em.create(PromptRevision, {
          ...revision,
          tenantId,
          promptId: prompt.id,
          number: 1,
          createdBy: actorOf(viewer),
        });
        await em.flush();
        audit(em, viewer, {
          tenantId,
          action: 'prompt.created',
          subjectType: 'prompt',
          subjectId: prompt.id,
          after: { ...snapshot(prompt), text: revision.text },
        });
        return prompt;
      }),
    );
  }

  /** The next number; published only by {@link publish}. */
  async addRevision(viewer: Viewer, promptId: string, input: NewPromptRevision): Promise<PromptRevision> {
    requireAdmin(viewer);
    knownId('prompt', promptId);
    const checks = new Checks();
    const fields = checkedRevision(checks, input);
    checks.done();
    return inTransaction(this.ctx, viewer, async (em) => {
      const prompt = await locked(em, promptId);
      const [newest] = await em.find(PromptRevision, { promptId }, { orderBy: { number: 'desc' }, limit: 1 });
      const revision = em.create(PromptRevision, {
        ...fields,
        tenantId: prompt.tenantId,
        promptId,
        number: (newest?.number ?? 0) + 1,
        createdBy: actorOf(viewer),
      });
      await em.flush();
      audit(em, viewer, {
        tenantId: prompt.tenantId,
        action: 'prompt.revised',
        subjectType: 'prompt',
        subjectId: promptId,
        after: snapshot(revision),
        reason: fields.note,
      });
      return revision;
    });
  }

  /** From now on the key resolves to this revision. Throws NOT_FOUND. */
  async publish(viewer: Viewer, promptId: string, number: number): Promise<Prompt> {
    requireAdmin(viewer);
    knownId('prompt', promptId);
    return inTransaction(this.ctx, viewer, async (em) => {
      const prompt = await locked(em, promptId);
      await revisionOf(em, promptId, number);
      const before = snapshot(prompt);
      prompt.publishedRevision = number;
      await em.flush();
      audit(em, viewer, {
        tenantId: prompt.tenantId,
        action: 'prompt.published',
        subjectType: 'prompt',
        subjectId: promptId,
        before,
        after: snapshot(prompt),
      });
      return prompt;
    });
  }

  /** Unified line diff; empty when the texts are equal. */
  async diff(viewer: Viewer, promptId: string, from: number, to: number): Promise<string> {
    requireScope(viewer, 'agents:read');
    knownId('prompt', promptId);
    const em = emFor(this.ctx.database, viewer);
    const [a, b] = [await revisionOf(em, promptId, from), await revisionOf(em, promptId, to)];
    return lineDiff(a.text, b.text, { before: `revision ${from}`, after: `revision ${to}` });
  }

  /** By id, or by key (an admin names the tenant). Null when missing or foreign. */
  async find(viewer: Viewer, { id, key, tenantId }: NamedByKey): Promise<Prompt | null> {
    requireScope(viewer, 'agents:read');
    if (id != null) return isUuid(id) ? emFor(this.ctx.database, viewer).findOne(Prompt, { id }) : null;
    if (key == null) return null;
    const tenant = tenantOf(viewer, tenantId);
    return emFor(this.ctx.database, viewer, tenant).findOne(Prompt, { tenantId: tenant, key });
  }
  async get(viewer: Viewer, id: string): Promise<Prompt> {
    requireScope(viewer, 'agents:read');
    const prompt = await emFor(this.ctx.database, viewer).findOne(Prompt, { id: knownId('prompt', id) });
    if (prompt === null) throw notFound('prompt');
    return prompt;
  }

  /** Throws NOT_FOUND. */
  async revision(viewer: Viewer, promptId: string, number: number): Promise<PromptRevision> {
    requireScope(viewer, 'agents:read');
    return revisionOf(emFor(this.ctx.database, viewer), knownId('prompt', promptId), number);
  }
  async revisionPage(viewer: Viewer, promptId: string, request: PageRequest): Promise<Page<PromptRevision>> {
    const { id } = await this.get(viewer, promptId);
    return listPage(emFor(this.ctx.database, viewer), PromptRevision, { promptId: id }, request);
  }
  async revisionList(viewer: Viewer, promptId: string, request: OffsetRequest): Promise<Rows<PromptRevision>> {
    const { id } = await this.get(viewer, promptId);
    return listOffset(emFor(this.ctx.database, viewer), PromptRevision, { promptId: id }, request);
  }

  page(viewer: Viewer, tenantId: string | null | undefined, request: PageRequest): Promise<Page<Prompt>> {
    requireScope(viewer, 'agents:read');
    return listPage(emFor(this.ctx.database, viewer, tenantId), Prompt, {}, request);
  }
  list(viewer: Viewer, { tenantId, key }: Omit<NamedByKey, 'id'>, request: OffsetRequest): Promise<Rows<Prompt>> {
    requireScope(viewer, 'agents:read');
    return listOffset(emFor(this.ctx.database, viewer, tenantId), Prompt, given({ key }), request);
  }
}

/** The revision that a call uses: the given one, else the published one; null when there is none. */
export async function resolvePrompt(
  em: EntityManager,
  tenantId: string,
  key: string,
  number: number | null,
): Promise<PromptRevision | null> {
  const prompt = await em.findOne(Prompt, { tenantId, key });
  const wanted = number ?? prompt?.publishedRevision ?? null;
  return prompt === null || wanted === null
    ? null
    : em.findOne(PromptRevision, { tenantId, promptId: prompt.id, number: wanted });
}

/**
 * A version that leaves DRAFT speaks one certain prompt for ever: the published revision is written into it. Throws
 * UNPROCESSABLE when there is none, or when the version gives values to variables that it does not have.
 */
export async function pinPrompt(em: EntityManager, version: AgentVersion): Promise<void> {
  if (version.promptKey == null || version.promptRevision != null) return;
  const revision = await resolvePrompt(em, version.tenantId, version.promptKey, null);
  if (revision === null)
    throw new AppError('UNPROCESSABLE', `The prompt ${version.promptKey} has no published revision`, {
      details: [{ path: 'promptKey', message: 'has no published revision' }],
    });
  // The draft was checked against the revision of its day, or against none.
  const strange = strangeVariables(version, revision.variables);
  if (strange.length > 0)
    throw new AppError('UNPROCESSABLE', `The published revision of ${version.promptKey} has other variables`, {
      details: strange.map((name) => ({
        path: `promptVariables.${name}`,
        message: `is no variable of revision ${revision.number}`,
      })),
    });
  version.promptRevision = revision.number;
}

/** Two revisions at once must not get the same number. */
async function locked(em: EntityManager, promptId: string): Promise<Prompt> {
  const prompt = await em.findOne(Prompt, { id: promptId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
  if (prompt === null) throw notFound('prompt');
  return prompt;
}

async function revisionOf(em: EntityManager, promptId: string, number: number): Promise<PromptRevision> {
  const revision =
    Number.isInteger(number) && number > 0 && number < 2 ** 31
      ? await em.findOne(PromptRevision, { promptId, number })
      : null;
  if (revision === null) throw notFound('prompt revision');
  return revision;
}

/** What a version says, as far as variables go. */
export type Spoken = Pick<AgentVersion, 'promptVariables' | 'greeting'>;

/** Names that a version gives values to, and that neither its prompt nor its greeting has. */
export function strangeVariables({ promptVariables, greeting }: Spoken, ofPrompt: readonly string[]): string[] {
  const known = new Set([...ofPrompt, ...variablesIn(greeting ?? '')]);
  return Object.keys(promptVariables).filter((name) => !known.has(name));
}

/** Also of prompts that stand in a version. */
export function checkPlaceholders(checks: Checks, path: string, text: string): void {
  const [wrong] = misnamedIn(text);
  if (wrong !== undefined)
    checks.fail(
      path,
      `holds {{${wrong}}}: a variable's name begins with a letter and holds letters, digits, _, . and -`,
    );
}

function checkedRevision(checks: Checks, input: NewPromptRevision) {
  const text = checks.text('text', input.text, { max: MAX_PROMPT_LENGTH });
  if (text.split('\n').length > MAX_PROMPT_LINES) checks.fail('text', `must be at most ${MAX_PROMPT_LINES} lines`);
  checkPlaceholders(checks, 'text', text);
  const used = variablesIn(text);
  const declared =
    input.variables == null
      ? used
      : checks.list('variables', input.variables, 100, (name, path) => checks.text(path, name, { max: 100 }));
  checks.unique('variables', declared);
  const undeclared = used.filter((name) => !declared.includes(name));
  const unused = declared.filter((name) => !used.includes(name));
  if (undeclared.length > 0) checks.fail('text', `uses variables that are not declared: ${undeclared.join(', ')}`);
  if (unused.length > 0) checks.fail('variables', `declares what the text does not use: ${unused.join(', ')}`);
  return { text, variables: declared, note: checks.optionalText('note', input.note, { max: 2_000 }) };
}
