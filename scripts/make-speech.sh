#!/usr/bin/env bash
# Makes the callers' recorded speech: 8 kHz µ-law without a header, as Twilio sends it. Needs espeak-ng and sox.
set -euo pipefail
cd "$(dirname "$0")/../src/simulators/audio/assets"
while IFS='|' read -r name text; do
  espeak-ng -v en-us+f3 -s 175 --stdout "$text" | sox -t wav - -r 8000 -c 1 -e u-law -t raw "$name.ulaw" norm -3
done <clips.txt
espeak-ng -v en-us+m3 -s 170 --stdout "The agent speaks with this voice whatever it has to say to the people who call" | sox -t wav - -r 8000 -c 1 -e u-law -t raw agent-voice.ulaw norm -3
