import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import { until } from '../../../test/testkit/until.js';
import { silentLogger, type Logger } from '../../ports/logger.js';
import type { AudioDelta, RealtimeClose, RealtimeConnection } from '../../ports/realtime-model.js';
import { OpenAIRealtime, sliceAudioDelta } from './openai-realtime.js';

const delta = {
  type: 'response.output_audio.delta',
  event_id: 'e',
  response_id: 'r',
  item_id: 'i',
  output_index: 0,
  content_index: 0,
  delta: 'AAEC',
};

describe('slicing audio deltas', () => {
  it('finds the fields without parsing, in any order', () => {
    const { delta: audio, type, ...rest } = delta;
    for (const text of [JSON.stringify(delta), JSON.stringify({ type, delta: audio, ...rest })])
      expect(sliceAudioDelta(text)).toEqual({ responseId: 'r', itemId: 'i', contentIndex: 0, audio: 'AAEC' });
  });
  it('leaves everything else to the parser', () => {
    expect(sliceAudioDelta(JSON.stringify({ ...delta, delta: 'A"' }))).toBeNull();
    expect(sliceAudioDelta(JSON.stringify({ ...delta, delta: '***' }))).toBeNull();
    expect(
      sliceAudioDelta(JSON.stringify({ type: 'response.done', x: '"type":"response.output_audio.delta"' })),
    ).toBeNull();
    expect(sliceAudioDelta(JSON.stringify({ ...delta, item: { item_id: 'other' } }))).toBeNull();
    expect(sliceAudioDelta(JSON.stringify({ ...delta, content_index: 'x' }))).toBeNull();
    expect(sliceAudioDelta('nonsense')).toBeNull();
  });
});

describe('a connection to the model', () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const received: string[] = [];
  let peer: WebSocket;
  server.on('connection', (socket) => {
    peer = socket;
    socket.on('message', (data: Buffer) => received.push(data.toString()));
  });
  beforeAll(() => until(() => server.address() !== null));
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  interface Seen {
    connection: RealtimeConnection;
    opened: boolean;
    events: string[];
    audio: AudioDelta[];
    closes: RealtimeClose[];
    warnings: string[];
  }
  function connect(options: { apiKey?: string; url?: string } = {}): Seen {
    const seen = { opened: false, events: [], audio: [], closes: [], warnings: [] } as unknown as Seen;
    const log: Logger = { ...silentLogger, warn: (_fields, message) => seen.warnings.push(message) };
    const url = options.url ?? `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const model = new OpenAIRealtime({ apiKey: options.apiKey ?? 'key', url, provider: 'simulator', log });
    seen.connection = model.connect(
      { model: 'gpt-realtime' },
      {
        onOpen: () => (seen.opened = true),
        onEvent: (event) => seen.events.push(event.type),
        onAudio: (audio) => seen.audio.push(audio),
        onClose: (info) => seen.closes.push(info),
      },
    );
    return seen;
  }
  const opened = async (): Promise<Seen> => {
    const seen = connect();
    await until(() => seen.opened);
    return seen;
  };

  it('ignores nonsense, says so once, and goes on', async () => {
    const seen = await opened();
    for (const text of ['{"type": "resp', 'null', '7', '[]', '{"type":5}']) peer.send(text);
    peer.send(Buffer.from('binary'), { binary: true });
    peer.send(JSON.stringify({ ...delta, delta: 'not base64' }));
    peer.send(JSON.stringify({ ...delta, note: 'with \\ an escape' }));
    peer.send('{"type":"an.unknown.event"}');
    await until(() => seen.events.length > 0);
    expect(seen.events).toEqual(['an.unknown.event']);
    expect(seen.audio).toEqual([{ responseId: 'r', itemId: 'i', contentIndex: 0, audio: 'AAEC' }]);
    expect(seen.warnings).toHaveLength(1);
    seen.connection.close(1000, 'a reason that is far too long for a close frame '.repeat(5));
    await until(() => seen.closes.length > 0);
    expect(seen.warnings.at(-1)).toBe('messages of a model session were ignored');
  });

  it('sends audio as it is, unless it is none', async () => {
    received.length = 0;
    const seen = await opened();
    seen.connection.appendAudio('","type":"session.update');
    seen.connection.appendAudio('AAEC');
    seen.connection.send({ type: 'response.create' });
    await until(() => received.length === 2);
    expect(received[0]).toBe('{"type":"input_audio_buffer.append","audio":"AAEC"}');
    expect(JSON.parse(received[1]!)).toEqual({ type: 'response.create', event_id: expect.stringMatching(/^evt_/) });
    seen.connection.close();
    seen.connection.close();
    await until(() => seen.closes.length > 0);
    seen.connection.send({ type: 'response.create' });
    expect(seen.closes).toHaveLength(1);
  });

  it('reports an impossible address or key like any other failure, without quoting it', async () => {
    for (const options of [{ url: 'nowhere' }, { apiKey: 'two\nlines' }]) {
      const seen = connect(options);
      expect(seen.closes).toEqual([]);
      seen.connection.close();
      await until(() => seen.closes.length > 0);
      expect(seen.closes).toEqual([{ code: 1006, httpStatus: null, reason: expect.not.stringContaining('lines') }]);
      expect(seen.connection.bufferedBytes).toBe(0);
    }
  });
});
