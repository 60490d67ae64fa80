import type { CarrierFaults } from '../../src/simulators/carrier/faults.js';
import type { ModelFaults } from '../../src/simulators/model/faults.js';
import type { TestGateway } from './gateway.js';

/** Both vendors at their worst without failing: every webhook twice, callbacks late, twice and in any order … */
const CARRIER: Partial<CarrierFaults> = {
  doubledWebhooks: true,
  callbacks: 'shuffled',
  doubledCallbacks: true,
  callbackDelayMs: 40,
  slowAnswersMs: 30,
};
/** … nonsense between the model's messages, audio after an interruption, and transcripts that take their time. */
const MODEL: Partial<ModelFaults> = { malformed: true, lateDeltas: true, transcriptDelayMs: 200, slowUpdateMs: 50 };

/** Switches those faults on that a call must not notice. */
export function switchFaultsOn({ carrier, model }: Pick<TestGateway, 'carrier' | 'model'>): void {
  Object.assign(carrier.faults, CARRIER);
  Object.assign(model.faults, MODEL);
}
