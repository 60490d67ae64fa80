import type { ClaimedPhone } from '../ports/media-session.js';
import type { StreamSocket } from './caller-side.js';
import type { EngineContext } from './engine-context.js';
import { OutboundFrames, type TwilioMessage } from './twilio-frames.js';

/** Thirty seconds of speech that the phone's line does not take. */
const MAX_BUFFERED_BYTES = 512 * 1024;

/** The media stream of a supervisor's phone: the person hears the caller, and what they say goes to the call. */
export class PhoneStream {
  private over = false;

  constructor(
    private readonly phone: ClaimedPhone,
    private readonly socket: StreamSocket,
    private readonly context: EngineContext,
  ) {}

  start(): void {
    const frames = new OutboundFrames(this.phone.streamSid);
    this.phone.line
      .join({
        hear: (base64) => {
          if (this.over) return;
          if (this.socket.bufferedAmount > MAX_BUFFERED_BYTES) this.context.metrics.framesDropped('to_caller', 1);
          else this.socket.send(frames.media(base64));
        },
        over: () => this.end('the call needs this phone no more'),
      })
      .catch((error: unknown) => {
        this.context.log.error({ err: error, sessionId: this.phone.sessionId }, 'a phone could not join its call');
        this.end('could not join');
      });
  }

  receive(message: TwilioMessage): void {
    if (this.over || !('streamSid' in message) || message.streamSid !== this.phone.streamSid) return;
    if (message.event === 'media') this.phone.line.speak(message.payload);
    else if (message.event === 'stop') this.leave(true);
  }

  socketClosed(): void {
    this.leave(false);
  }

  /** Twilio then asks what comes next, and is told to hang up. */
  private end(reason: string): void {
    if (!this.over) this.socket.close(1000, reason);
    this.leave(false);
  }

  private leave(hungUp: boolean): void {
    if (this.over) return;
    this.over = true;
    this.phone.line.leave({ hungUp });
  }
}
