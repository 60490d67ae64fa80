/** `response.create` instructions of the gateway: the model says them in its own words and in the caller's language. */

export const GOODBYE = 'Say goodbye to the caller in one short, friendly sentence.';

export const CONNECTING = 'Tell the caller in one short sentence that you are connecting them to a colleague now.';

export const CARRY_ON =
  'The line was interrupted for a moment and is back. Carry on in one short sentence where you stopped.';

export const GIVEN_BACK =
  'A colleague has talked with the caller and has given them back to you. Carry on in one short sentence.';

export const TIME_IS_UP =
  'The call has reached its maximum duration. Say so politely in one sentence, and say goodbye to the caller.';

export const PERSON_IS_CALLED =
  'A colleague is being called and will take over this call in a moment. Tell the caller so in one short sentence, and ' +
  'stay with them until then.';

export const NOBODY_CAME =
  'The colleague who was called did not come. Apologise, go on with the caller yourself, and offer a callback.';

/** For a line that must be said word for word. */
export function sayExactly(text: string): string {
  return `Say exactly: "${text}"`;
}
