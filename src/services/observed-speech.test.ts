import { expect, it } from 'vitest';
import type { RealtimeHandlers, RealtimeModel, RealtimeServerEvent } from '../ports/realtime-model.js';
import { ObservedSpeech } from './observed-speech.js';
import { ProviderMonitor } from './provider-monitor.js';

/** A model that says what the test says, on one connection. */
function observed() {
  let nowMs = 0;
  const clock = { now: () => new Date(nowMs), monotonicMs: () => nowMs };
  const monitor = new ProviderMonitor(
    'REALTIME_MODEL',
    { failures: 3, coolDownMs: 1_000, maxCoolDownMs: 8_000 },
    clock,
    () => {},
    () => {},
  );
  let heard: RealtimeHandlers;
  const model: RealtimeModel = {
    provider: 'simulator',
    connect: (_options, handlers) => {
      heard = handlers;
      return { send: () => {}, appendAudio: () => {}, bufferedBytes: 0, close: () => {} };
    },
  };
  const speech = new ObservedSpeech(model, monitor, clock);
  const connect = () => {
    const none = { onOpen: () => {}, onEvent: () => {}, onAudio: () => {}, onClose: () => {} };
    const connection = speech.connect({ model: 'm' }, none);
    say({ type: 'session.created' });
    return connection;
  };
  const later = (ms: number) => void (nowMs += ms);
  const say = (event: RealtimeServerEvent) => heard.onEvent(event);
  const respond = (response: object, afterMs = 0) => {
    say({ type: 'response.created', response: {} });
    nowMs += afterMs;
    say({ type: 'response.done', response });
  };
  const failed = (error?: unknown) => ({ status: 'failed', status_details: { type: 'failed', error } });
  return { monitor, connect, say, respond, failed, later };
}

it.each([
  [{ type: 'server_error', code: null }, 'server_error'],
  [{ type: 'insufficient_quota', code: 'insufficient_quota' }, 'insufficient_quota'],
  [{ type: 'tokens', code: 'rate_limit_exceeded' }, 'rate_limit_exceeded'],
  [{ type: 'invalid_request_error', code: 'inference_rate_limit_exceeded' }, 'inference_rate_limit_exceeded'],
  [{ type: 'invalid_request_error', code: 'invalid_api_key' }, 'invalid_api_key'],
  [{ type: 'something_new' }, 'something_new'],
  [{ type: 'Sorry, +15550100000!' }, 'response_failed'],
  [undefined, 'response_failed'],
  [{ type: 'invalid_request_error', code: null }, null],
  [{ type: 'invalid_request_error', code: 'unknown_parameter' }, null],
  [{ type: null, code: 'content_filter' }, null],
])('a response that failed with %j is the provider’s fault: %s', (error, word) => {
  const { monitor, connect, respond, failed } = observed();
  connect();
  for (let n = 0; n < 3; n += 1) respond(failed(error));
  expect(monitor.health()).toMatchObject({
    circuit: word === null ? 'CLOSED' : 'OPEN',
    failures: word === null ? 0 : 3,
    lastError: word,
  });
});

it('new connections do not excuse responses that fail, and one that works does', () => {
  const { monitor, connect, respond, failed } = observed();
  const quota = failed({ type: 'insufficient_quota', code: 'insufficient_quota' });
  for (let n = 0; n < 2; n += 1) {
    connect();
    respond(quota);
  }
  connect();
  respond({ status: 'cancelled' });
  expect(monitor.health()).toMatchObject({ circuit: 'CLOSED', failures: 2 });
  respond({ status: 'incomplete', status_details: { reason: 'max_output_tokens' } }, 120);
  expect(monitor.health()).toMatchObject({ failures: 2, latencyP95Ms: 120 });
  connect();
  for (let n = 0; n < 3; n += 1) respond(quota);
  expect(monitor.down).toBe(true);
});

it('an error counts once: with its response, or alone where there is none', () => {
  const { monitor, connect, say, respond, failed } = observed();
  connect();
  const error = { type: 'server_error', code: null };
  say({ type: 'error', error });
  say({ type: 'error', error: { type: 'invalid_request_error', code: 'response_cancel_not_active' } });
  say({ type: 'error', error: { code: 'session_expired' } });
  expect(monitor.health().failures).toBe(1);
  say({ type: 'response.created', response: {} });
  say({ type: 'error', error });
  respond(failed(error));
  expect(monitor.health().failures).toBe(2);
});

it('a response that was waited for in vain failed, and nobody’s hanging up counts', () => {
  const { monitor, connect, say, later } = observed();
  const ask = { type: 'response.create' };
  // Hung up on while it thinks, after it was refused, and in a pause of the conversation.
  const thinking = connect();
  thinking.send(ask);
  later(1_000);
  thinking.close();
  const refused = connect();
  refused.send(ask);
  say({ type: 'error', error: { type: 'invalid_request_error', code: 'conversation_already_has_active_response' } });
  later(60_000);
  refused.close();
  const quiet = connect();
  quiet.send(ask);
  say({ type: 'response.created', response: {} });
  say({ type: 'response.done', response: { status: 'completed' } });
  later(60_000);
  quiet.close();
  expect(monitor.health().failures).toBe(0);

  const hung = connect();
  hung.send(ask);
  later(20_000);
  hung.close(1000, 'replaced');
  hung.close();
  expect(monitor.health()).toMatchObject({ failures: 1, lastError: 'silent' });
  const halfWay = connect();
  halfWay.send(ask);
  say({ type: 'response.created', response: {} });
  later(20_000);
  halfWay.close(1000, 'replaced');
  expect(monitor.health().failures).toBe(2);
});
