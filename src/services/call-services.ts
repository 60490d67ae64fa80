import type { Carrier } from '../ports/carrier.js';
import type { OutboundHttp } from '../ports/outbound-http.js';
import type { SyntheticCaller } from '../ports/synthetic-caller.js';
import type { TextModel } from '../ports/text-model.js';
import { AfterCall } from './after-call.js';
import { CallCommands } from './call-commands.js';
import { CallContinuations } from './call-continuations.js';
import type { CallGate } from './call-gate.js';
import { CallLookup } from './call-lookup.js';
import { CallProgress } from './call-progress.js';
import { CallStatusCallbacks } from './call-status.js';
import { CallbackPromises } from './callback-promises.js';
import type { CallbackDesk, DoNotCallList } from './caller-wishes.js';
import { Callbacks } from './callbacks.js';
import { CallingHours } from './calling-hours.js';
import { CarrierAccounts } from './carrier-accounts.js';
import { clearedOnly } from './clearance.js';
import type { ServiceContext } from './context.js';
import { Diagnostics, type DiagnosticSink } from './diagnostics.js';
import type { DialCheck } from './dial-plan.js';
import { DoNotCall } from './do-not-call.js';
import { DueDials } from './due-dials.js';
import { Fallbacks } from './fallbacks.js';
import { HttpToolRunner } from './http-tool.js';
import { InboundCalls } from './inbound-calls.js';
import { LiveAudio } from './live-audio.js';
import { MakeCall } from './make-call.js';
import { StreamClaims } from './media-sessions.js';
import { OwnerBeats } from './owner-beats.js';
import { Briefings } from './person-briefing.js';
import { PersonLegs } from './person-legs.js';
import { PromisedCallbacks } from './promised-callbacks.js';
import { Reconciler } from './reconcile.js';
import { Retention } from './retention.js';
import { ScheduledCalls } from './scheduled-calls.js';
import { SessionEnd } from './session-end.js';
import { SessionLog } from './session-log.js';
import { StoredSignatureEvidence, type SignatureEvidence } from './signature-evidence.js';
import { StreamEnds } from './stream-ends.js';
import { Supervisor } from './supervisor.js';
import { SupervisorPhones } from './supervisor-phones.js';
import { besideSynthetic } from './synthetic-lines.js';
import { rolloutPicker, type VersionPicker } from './version-picker.js';

/** What the composition root gives the services of a call; what is optional has a plain default. */
export interface CallPorts {
  carrier: Carrier;
  http: OutboundHttp;
  /** Null: summaries are plain extracts. */
  textModel: TextModel | null;
  gate: CallGate;
  picker?: VersionPicker;
  /** In this order, before the duplicate guard. Default: do-not-call, then calling hours. */
  dialChecks?: readonly DialCheck[];
  diagnostics?: DiagnosticSink;
  callbackDesk?: CallbackDesk;
  doNotCall?: DoNotCallList;
  /** Plays the calls that the gateway places to itself; null: this process plays none. */
  syntheticCaller?: SyntheticCaller | null;
  /** Recorded with each session: `openai` or `simulator`. */
  modelProvider?: string | null;
  /** Told whether session logs can be written, for readiness. */
  onRecorderHealth?: (healthy: boolean) => void;
}

/** Everything about calls, wired once. */
export interface CallServices {
  sessionLog: SessionLog;
  accounts: CarrierAccounts;
  diagnostics: DiagnosticSink;
  progress: CallProgress;
  sessionEnd: SessionEnd;
  /** `close()` with the process. */
  lookup: CallLookup;
  fallbacks: Fallbacks;
  makeCall: MakeCall;
  callbacks: Callbacks;
  /** `work()` registers its queue and schedule; before the jobs are started. */
  callbackPromises: CallbackPromises;
  doNotCall: DoNotCall;
  scheduledCalls: ScheduledCalls;
  /** `work()` registers its queue; before the jobs are started, in a process that may dial. */
  dueDials: DueDials;
  inbound: InboundCalls;
  continuations: CallContinuations;
  statusCallbacks: CallStatusCallbacks;
  signatureEvidence: SignatureEvidence;
  mediaSessions: StreamClaims;
  streamEnds: StreamEnds;
  /** `serve()` and `stop()` with the process, where calls live. */
  commands: CallCommands;
  supervisor: Supervisor;
  /** `stop()` with the process. */
  legs: PersonLegs;
  /** Likewise. */
  liveAudio: LiveAudio;
  phones: SupervisorPhones;
  /** `work()` registers its queues; before the jobs are started. */
  afterCall: AfterCall;
  /** `work()` registers its queue and schedule; before the jobs are started. */
  retention: Retention;
  /** `start()` and `stop()` with the process. */
  reconciler: Reconciler;
}

export function createCallServices(context: ServiceContext, ports: CallPorts): CallServices {
  const { gate } = ports;
  const carrier = besideSynthetic(ports.carrier, ports.syntheticCaller ?? null);
  const picker = clearedOnly(ports.picker ?? rolloutPicker);
  const doNotCallLists = new DoNotCall(context);
  const desk = ports.callbackDesk ?? new PromisedCallbacks(context);
  const doNotCall = ports.doNotCall ?? doNotCallLists;
  const diagnostics = ports.diagnostics ?? new Diagnostics(context);
  const sessionLog = new SessionLog(context);
  const accounts = new CarrierAccounts(context);
  const sessionEnd = new SessionEnd(context, sessionLog);
  const progress = new CallProgress(context, sessionLog, sessionEnd);
  const lookup = new CallLookup(context, carrier, accounts, progress);
  const fallbacks = new Fallbacks(context, desk, lookup);
  const streamEnds = new StreamEnds(context, { sessionEnd, progress, lookup });
  const tools = new HttpToolRunner(context, ports.http);
  const commands = new CallCommands(context);
  const makeCall = new MakeCall(context, {
    carrier,
    accounts,
    progress,
    lookup,
    picker,
    checks: ports.dialChecks ?? [doNotCallLists, new CallingHours()],
    gate,
  });
  const liveAudio = new LiveAudio(context);
  const briefings = new Briefings(context, ports.textModel);
  const legs = new PersonLegs(context, { carrier, accounts, commands, briefings, diagnostics, lookup });
  return {
    callbacks: new Callbacks(context),
    callbackPromises: new CallbackPromises(context),
    doNotCall: doNotCallLists,
    scheduledCalls: new ScheduledCalls(context),
    dueDials: new DueDials(context, makeCall),
    sessionLog,
    accounts,
    diagnostics,
    progress,
    sessionEnd,
    lookup,
    fallbacks,
    streamEnds,
    commands,
    legs,
    liveAudio,
    phones: new SupervisorPhones(context, liveAudio),
    supervisor: new Supervisor(context, { commands, carrier, accounts, lookup, sessionLog, doNotCall: doNotCallLists }),
    makeCall,
    inbound: new InboundCalls(context, { picker, fallbacks, diagnostics, gate }),
    continuations: new CallContinuations(context, { progress, sessionEnd, fallbacks, diagnostics, gate, lookup }),
    statusCallbacks: new CallStatusCallbacks(context, progress),
    signatureEvidence: new StoredSignatureEvidence(context, diagnostics),
    mediaSessions: new StreamClaims(context, {
      carrier,
      accounts,
      fallbacks,
      tools,
      desk,
      doNotCall,
      legs,
      streamEnds,
      beats: new OwnerBeats(context),
      sessionLog,
      progress,
      diagnostics,
      modelProvider: ports.modelProvider ?? null,
      onRecorderHealth: ports.onRecorderHealth ?? (() => {}),
    }),
    afterCall: new AfterCall(context, ports.textModel),
    retention: new Retention(context),
    reconciler: new Reconciler(context, { carrier, accounts, progress, lookup, sessionEnd }),
  };
}
