import { createCipheriv, createDecipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const VERSION = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** One key of 32 bytes, or several: the first seals, every one opens what it sealed, so that keys can be exchanged. */
export type SealingKeys = Buffer | readonly Buffer[];

/**
 * Encrypts a secret for storage: AES-256-GCM, `v1.<key id>.<iv>.<tag>.<ciphertext>`, binary parts in base64url. The key
 * id says which key opens it, without telling anything of the key.
 */
export function seal(keys: SealingKeys, plain: string): string {
  const key = listOf(keys)[0];
  if (key === undefined) throw new Error('no key to seal with');
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return [VERSION, idOf(key), ...[iv, cipher.getAuthTag(), body].map((part) => part.toString('base64url'))].join('.');
}

/** The reverse of {@link seal}; throws when its key is not among `keys` or the text was changed. */
export function open(keys: SealingKeys, sealed: string): string {
  const [version, id, ...parts] = sealed.split('.');
  const [iv, tag, body] = parts.map((part) => Buffer.from(part, 'base64url'));
  // Short tags are refused here, because GCM would accept them, and four bytes can be guessed.
  if (version !== VERSION || parts.length !== 3 || iv?.length !== IV_BYTES || tag?.length !== TAG_BYTES)
    throw new Error('not a sealed secret');
  const key = listOf(keys).find((candidate) => idOf(candidate) === id);
  if (key === undefined) throw new Error(`sealed with a key that is not configured (key id ${id})`);
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(tag);
  return Buffer.concat([decipher.update(body!), decipher.final()]).toString('utf8');
}

const listOf = (keys: SealingKeys): readonly Buffer[] => (Buffer.isBuffer(keys) ? [keys] : keys);

/** Enough to tell the few keys of one installation apart. */
const idOf = (key: Buffer): string => createHash('sha256').update('key id').update(key).digest('hex').slice(0, 8);

/** Hash of a high-entropy secret (an API key), hex. Not for passwords. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** A new secret: `prefix` and 32 random bytes in base64url. */
export function newSecret(prefix: string): string {
  return prefix + randomBytes(32).toString('base64url');
}

/** Comparison whose time does not depend on where the two differ. */
export function safeEqual(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}
