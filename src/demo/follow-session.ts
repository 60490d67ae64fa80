interface LoggedTurn {
  speaker: string;
  text: string;
  interrupted: boolean;
}

/** Prints one conversation from the live log (server-sent events) as it is spoken; returns when the session has ended. */
export async function followSession(
  origin: string,
  key: string,
  sessionId: string,
  print: (line: string) => void,
): Promise<void> {
  const response = await fetch(`${origin}/api/v1/live-logs?session_id=${sessionId}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  if (!response.ok || response.body === null) throw new Error(`live-logs answered ${response.status}`);
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split('\n\n');
    rest = parts.pop()!;
    for (const part of parts) printEvent(part, print);
  }
}

function printEvent(part: string, print: (line: string) => void): void {
  const data = /^data: (.*)$/m.exec(part)?.[1];
  if (data === undefined) return;
  const event = JSON.parse(data) as { type: string; turn?: LoggedTurn; outcome?: string };
  if (event.type === 'TurnCompleted' && event.turn !== undefined && event.turn.text !== '')
    print(`${event.turn.speaker.toLowerCase()}: ${event.turn.text}${event.turn.interrupted ? ' …' : ''}`);
  if (event.type === 'OutcomeRecorded') print(`   (outcome: ${event.outcome})`);
}
