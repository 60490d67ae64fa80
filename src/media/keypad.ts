import type { Deadlines } from './deadlines.js';

/** Digits that come in one go are one message to the model. */
const DIGITS_WAIT_MS = 1_500;

/** Collects the keys that the caller presses; `#` or a pause ends the number. */
export class Keypad {
  private digits = '';

  constructor(
    private readonly deadlines: Deadlines,
    private readonly entered: (digits: string) => void,
  ) {}

  press(digit: string): void {
    this.digits += digit;
    this.deadlines.after('digits', digit === '#' ? 0 : DIGITS_WAIT_MS, () => {
      const { digits } = this;
      this.digits = '';
      this.entered(digits);
    });
  }
}
