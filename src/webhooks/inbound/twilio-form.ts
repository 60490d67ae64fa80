import { parse } from 'node:querystring';

/** A decoded form as Twilio sends it; repeated names hold lists. New names appear unannounced, so nothing is refused. */
export type TwilioForm = Record<string, string | string[]>;

/** Decodes `application/x-www-form-urlencoded` exactly as it is signed: nothing trimmed, empty values kept. */
export function parseTwilioForm(body: string): TwilioForm {
  // No prototype: a field may have any name.
  const form = Object.create(null) as TwilioForm;
  for (const [name, value] of Object.entries(parse(body, '&', '=', { maxKeys: 0 }))) form[name] = value ?? '';
  return form;
}

/** The field as one line that the database can hold; empty when it is missing. */
export function field(form: TwilioForm, name: string, max = 255): string {
  const value = Object.hasOwn(form, name) ? form[name]! : '';
  return (Array.isArray(value) ? (value[0] ?? '') : value).replaceAll('\u0000', '').toWellFormed().slice(0, max);
}

/** A field that counts something, null when it is missing or no number. */
export function count(form: TwilioForm, name: string): number | null {
  const text = field(form, name);
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

/** A field that holds a time (RFC 2822 or ISO 8601), null when it is missing or strange. */
export function time(form: TwilioForm, name: string): Date | null {
  const at = new Date(field(form, name));
  return Number.isNaN(at.getTime()) ? null : at;
}
