import { describe, expect, it } from 'vitest';
import { connectStream, dial, hangup, redirect, response, say } from './twiml.js';

describe('TwiML', () => {
  it('connects a stream with its token as a parameter and says where to go on', () => {
    expect(
      response(
        connectStream({ url: 'wss://h/media-stream', statusCallback: 'https://h/s?call_id=1&x=2', token: 'a.b' }),
        redirect('https://h/api/v1/resume-call?call_id=1&n=2'),
      ),
    ).toBe(
      '<?xml version="1.0" encoding="UTF-8"?><Response><Connect><Stream url="wss://h/media-stream" ' +
        'statusCallback="https://h/s?call_id=1&amp;x=2" statusCallbackMethod="POST">' +
        '<Parameter name="stream_token" value="a.b"/></Stream></Connect>' +
        '<Redirect method="POST">https://h/api/v1/resume-call?call_id=1&amp;n=2</Redirect></Response>',
    );
  });

  it('escapes what people write and drops what XML cannot hold', () => {
    expect(say(`Tom & "Jerry" <3 it's\u0000\u0007 \ud800`)).toBe(
      '<Say>Tom &amp; &quot;Jerry&quot; &lt;3 it&apos;s \ufffd</Say>',
    );
    expect(dial({ to: '+1"/><Hangup/>', callerId: null })).not.toContain('<Hangup/>');
  });

  it('speaks in a language that the carrier has a voice for', () => {
    expect(say('Hallo', 'de')).toBe('<Say language="de-DE">Hallo</Say>');
    expect(say('Saluton', 'eo')).toBe('<Say>Saluton</Say>');
  });

  it('dials with the caller id of the tenant', () => {
    expect(dial({ to: '+15555550100', callerId: '+15555551234', action: 'https://h/t', timeoutSeconds: 20 })).toBe(
      '<Dial callerId="+15555551234" answerOnBridge="true" timeout="20" action="https://h/t" method="POST"><Number>+15555550100</Number></Dial>',
    );
  });

  it('keeps a sentence within what Twilio takes', () => {
    expect(say('a'.repeat(5_000)).length).toBeLessThan(3_100);
    expect(response(hangup())).toContain('<Hangup/>');
  });
});
