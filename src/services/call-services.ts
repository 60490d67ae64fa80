import type { Carrier } from '../ports/carrier.js';
import type { CallGate } from './call-gate.js';
import { CallLookup } from './call-lookup.js';
import { CallProgress } from './call-progress.js';
import { CarrierAccounts } from './carrier-accounts.js';
import type { ServiceContext } from './context.js';
import { Diagnostics, type DiagnosticSink } from './diagnostics.js';
import type { DialCheck } from './dial-plan.js';
import { MakeCall } from './make-call.js';
import { SessionEnd } from './session-end.js';
import { SessionLog } from './session-log.js';
import { publishedVersion, type VersionPicker } from './version-picker.js';

/** What the composition root gives the services of a call; what is optional has a plain default. */
export interface CallPorts {
  carrier: Carrier;
  gate: CallGate;
  picker?: VersionPicker;
  /** In this order, before the duplicate guard. */
  dialChecks?: readonly DialCheck[];
  diagnostics?: DiagnosticSink;
}

/** Everything about calls, wired once. */
export interface CallServices {
  sessionLog: SessionLog;
  accounts: CarrierAccounts;
  diagnostics: DiagnosticSink;
  progress: CallProgress;
  sessionEnd: SessionEnd;
  lookup: CallLookup;
  makeCall: MakeCall;
}

export function createCallServices(context: ServiceContext, ports: CallPorts): CallServices {
  const sessionLog = new SessionLog(context);
  const accounts = new CarrierAccounts(context);
  const sessionEnd = new SessionEnd(context, sessionLog);
  const progress = new CallProgress(context, sessionLog, sessionEnd);
  const lookup = new CallLookup(context, ports.carrier, accounts, progress);
  const makeCall = new MakeCall(context, {
    carrier: ports.carrier,
    accounts,
    progress,
    lookup,
    picker: ports.picker ?? publishedVersion,
    checks: ports.dialChecks ?? [],
    gate: ports.gate,
  });
  return {
    sessionLog,
    accounts,
    diagnostics: ports.diagnostics ?? new Diagnostics(context),
    progress,
    sessionEnd,
    lookup,
    makeCall,
  };
}
