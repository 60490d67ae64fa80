import { randomBytes } from 'node:crypto';
import type {
  Carrier,
  CarrierAccount,
  CarrierCall,
  CarrierCallUpdate,
  NewCarrierCall,
} from '../../src/ports/carrier.js';

/** A carrier behind the port, for tests of services: remembers what it was asked and does what the test says. */
export class FakeCarrier implements Carrier {
  readonly created: (NewCarrierCall & { sid: string; account: CarrierAccount })[] = [];
  readonly updated: { callSid: string; update: CarrierCallUpdate }[] = [];
  readonly calls = new Map<string, CarrierCall>();
  fetches = 0;
  /** Runs before a call is made: throw to refuse, wait to be slow. */
  beforeCreate: (call: NewCarrierCall) => Promise<void> | void = () => {};
  /** Runs after a call was made, before the answer: throw to lose the answer. */
  afterCreate: (call: CarrierCall, request: NewCarrierCall) => Promise<void> | void = () => {};
  /** Replaces what a look-up says. */
  onFetch: (callSid: string) => CarrierCall | null | Promise<CarrierCall | null> = (sid) => this.calls.get(sid) ?? null;

  async createCall(account: CarrierAccount, request: NewCarrierCall): Promise<CarrierCall> {
    await this.beforeCreate(request);
    const call: CarrierCall = {
      sid: `CA${randomBytes(16).toString('hex')}`,
      status: 'queued',
      to: request.to,
      from: request.from,
      durationSeconds: null,
      createdAt: new Date(),
    };
    this.calls.set(call.sid, call);
    this.created.push({ ...request, sid: call.sid, account });
    await this.afterCreate(call, request);
    return call;
  }

  async fetchCall(_account: CarrierAccount, callSid: string): Promise<CarrierCall | null> {
    this.fetches++;
    return this.onFetch(callSid);
  }

  async listCalls(
    _account: CarrierAccount,
    filter: { to: string; from?: string; since: Date },
  ): Promise<CarrierCall[]> {
    return [...this.calls.values()].filter(
      (call) =>
        call.to === filter.to &&
        (filter.from === undefined || call.from === filter.from) &&
        (call.createdAt === null || call.createdAt >= filter.since),
    );
  }

  async updateCall(_account: CarrierAccount, callSid: string, update: CarrierCallUpdate): Promise<CarrierCall> {
    this.updated.push({ callSid, update });
    const call = this.calls.get(callSid) ?? this.put(callSid, 'in-progress');
    if ('status' in update) call.status = update.status;
    return call;
  }

  /** Makes the carrier know a call. */
  put(sid: string, status: string, more: Partial<CarrierCall> = {}): CarrierCall {
    const call = { sid, status, to: '', from: '', durationSeconds: null, createdAt: new Date(), ...more };
    this.calls.set(sid, call);
    return call;
  }

  async fetchNumber(): Promise<null> {
    return null;
  }
  async probe(): Promise<void> {}
}
