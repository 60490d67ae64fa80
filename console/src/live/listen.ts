import { useEffect, useState } from 'react';
import { credentials, type Session } from '../session.js';

export type Listening = 'off' | 'connecting' | 'on' | 'failed';

/** What the door of live audio sends. */
type AudioMessage =
  | { type: 'started' | 'ended' }
  | { type: 'clear'; side: Side; timestamp_ms: number }
  | { type: 'media'; side: Side; timestamp_ms: number; payload: string };
type Side = 'caller' | 'agent' | 'supervisor';

const RATE = 8_000;
/** How far behind the call a listener is, so that frames that come late are not heard as gaps; seconds. */
const CUSHION = 0.3;

/** G.711 µ-law to samples of -1 to 1. */
const SAMPLES = Float32Array.from({ length: 256 }, (_, code) => {
  const inverted = ~code & 0xff;
  const magnitude = (((inverted & 0x0f) << 3) + 0x84) << ((inverted & 0x70) >> 4);
  return ((inverted & 0x80) === 0 ? magnitude - 0x84 : 0x84 - magnitude) / 32_768;
});

/** Plays both sides of a call while it is switched on. Browsers want a click before they make a sound. */
export function useListening(session: Session, callId: string, on: boolean): Listening {
  const [state, setState] = useState<Listening>('off');
  useEffect(() => {
    if (!on) return setState('off');
    setState('connecting');
    const audio = new AudioContext({ sampleRate: RATE });
    const player = new Player(audio);
    const url = new URL(`/api/v1/live-audio?call_id=${encodeURIComponent(callId)}`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    socket.onopen = () => {
      if (session.kind === 'key') socket.send(JSON.stringify(credentials(session)));
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data as string) as AudioMessage;
      if (message.type === 'started') setState('on');
      else if (message.type === 'media') player.play(message.side, message.payload, message.timestamp_ms);
      else if (message.type === 'clear') player.clear(message.side);
    };
    socket.onclose = ({ code }) => setState(code === 1000 ? 'off' : 'failed');
    return () => {
      socket.onclose = null;
      socket.close();
      void audio.close();
    };
  }, [session, callId, on]);
  return state;
}

/** Plays frames at the time of the call at which they are heard there, the agent's too, which arrive long before it. */
class Player {
  private readonly playing = new Map<AudioBufferSourceNode, Side>();
  /** Seconds of the audio clock at the call's time 0; null before the first frame. */
  private start: number | null = null;

  constructor(private readonly audio: AudioContext) {}

  /** A payload of base64 µ-law. */
  play(side: Side, payload: string, timestampMs: number): void {
    const bytes = atob(payload);
    if (bytes.length === 0) return;
    const buffer = this.audio.createBuffer(1, bytes.length, RATE);
    const samples = buffer.getChannelData(0);
    for (let i = 0; i < bytes.length; i++) samples[i] = SAMPLES[bytes.charCodeAt(i)]!;
    const source = this.audio.createBufferSource();
    source.buffer = buffer;
    source.connect(this.audio.destination);
    source.onended = () => this.playing.delete(source);
    this.playing.set(source, side);
    source.start(this.timeOf(timestampMs / 1_000));
  }

  /** The caller spoke over it: what was not heard yet is not heard any more. */
  clear(side: Side): void {
    for (const [source, of] of this.playing) if (of === side) source.stop();
  }

  private timeOf(seconds: number): number {
    const { currentTime } = this.audio;
    // Too late for the cushion: from here on everything is heard that much later.
    if (this.start === null || this.start + seconds < currentTime) this.start = currentTime + CUSHION - seconds;
    return this.start + seconds;
  }
}
