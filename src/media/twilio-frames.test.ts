import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutboundFrames, parseTwilioMessage } from './twilio-frames.js';

const frame = (payload: string, timestamp = '20', track = 'inbound'): string =>
  JSON.stringify({
    event: 'media',
    sequenceNumber: '2',
    streamSid: 'MZ1',
    media: { track, chunk: '1', timestamp, payload },
  });
/** The order of keys on Twilio's wire. */
const onTheWire = (documented: string): string => {
  const { event, sequenceNumber, streamSid, media } = JSON.parse(documented) as Record<string, unknown>;
  return JSON.stringify({ event, sequenceNumber, media, streamSid });
};

describe('Twilio messages', () => {
  it('gives a frame its payload and its timestamp as a number, in any order of keys', () => {
    const expected = { event: 'media', streamSid: 'MZ1', payload: '/38A', timestampMs: 1000 };
    expect(parseTwilioMessage(frame('/38A', '1000'))).toEqual(expected);
    expect(
      parseTwilioMessage(
        '{"streamSid":"MZ1","media":{"payload":"\\/38A","timestamp":"1000"},"event":"media","sequenceNumber":"9"}',
      ),
    ).toEqual(expected);
  });

  it('cuts the same out of a frame as JSON.parse would, for any audio', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.nat(), (bytes, ms) => {
        const payload = Buffer.from(bytes).toString('base64');
        const text = frame(payload, String(ms));
        const expected = { event: 'media', streamSid: 'MZ1', payload, timestampMs: ms };
        expect(parseTwilioMessage(text)).toEqual(expected);
        expect(parseTwilioMessage(onTheWire(text))).toEqual(expected);
      }),
    );
  });

  it('knows the other messages', () => {
    expect(parseTwilioMessage('{"event":"connected","protocol":"Call","version":"1.0.0"}')).toEqual({
      event: 'connected',
    });
    expect(
      parseTwilioMessage(
        '{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"accountSid":"AC1","callSid":"CA1","streamSid":"MZ1","tracks":["inbound"],"customParameters":{"stream_token":"9f2c","n":1}}}',
      ),
    ).toEqual({
      event: 'start',
      streamSid: 'MZ1',
      callSid: 'CA1',
      accountSid: 'AC1',
      parameters: { stream_token: '9f2c' },
    });
    expect(parseTwilioMessage('{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"#"}}')).toEqual({
      event: 'dtmf',
      streamSid: 'MZ1',
      digit: '#',
    });
    expect(parseTwilioMessage('{"event":"mark","streamSid":"MZ1","mark":{"name":"g0:1"}}')).toEqual({
      event: 'mark',
      streamSid: 'MZ1',
      name: 'g0:1',
    });
    expect(parseTwilioMessage('{"event":"stop","streamSid":"MZ1","stop":{}}')).toEqual({
      event: 'stop',
      streamSid: 'MZ1',
    });
    expect(parseTwilioMessage('{"event":"__proto__"}')).toEqual({ event: 'other' });
    expect(parseTwilioMessage(frame('/38A', '20', 'outbound'))).toEqual({ event: 'other' });
  });

  it.each([
    '',
    'null',
    '[]',
    '{"event":1}',
    '{"event":"media"',
    '{"event":"media"}',
    '{"event":"start"}',
    '{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"12"}}',
    frame(''),
    frame('not base64!'),
    frame('/38A', 'soon'),
    frame('A'.repeat(60_004)),
    frame('","type":"session.update'),
    onTheWire(frame('not base64!')),
    frame('/38A').replace('"streamSid":"MZ1",', ''),
  ])('finds nothing in %s', (text) => expect(parseTwilioMessage(text)).toBeNull());

  it('never throws, whatever arrives', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string().map(frame)), (text) => {
        parseTwilioMessage(text);
        parseTwilioMessage(`{"event":"media"${text}`);
      }),
    );
  });

  it('never lets a payload through that could end the string it is written into', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (payload) => {
        const message = parseTwilioMessage(frame(payload));
        if (message?.event === 'media') expect(message.payload).toMatch(/^[A-Za-z0-9+/]+={0,2}$/);
      }),
    );
  });

  it('writes its own messages as JSON', () => {
    const frames = new OutboundFrames('MZ"1');
    expect(JSON.parse(frames.media('/38A'))).toEqual({ event: 'media', streamSid: 'MZ"1', media: { payload: '/38A' } });
    expect(JSON.parse(frames.mark('g1:2'))).toEqual({ event: 'mark', streamSid: 'MZ"1', mark: { name: 'g1:2' } });
    expect(JSON.parse(frames.clear)).toEqual({ event: 'clear', streamSid: 'MZ"1' });
  });
});
