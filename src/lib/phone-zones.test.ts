import { describe, expect, it } from 'vitest';
import { isTimeZone } from './hours.js';
import { PHONE_ZONES } from './phone-zones-data.js';
import { namesPlace, zonesOfNumber } from './phone-zones.js';

describe('the zones of a number', () => {
  it.each([
    ['+12125550123', ['America/New_York']],
    ['+18083456789', ['Pacific/Honolulu']],
    ['+493012345678', ['Europe/Berlin']],
    ['+9779812345678', ['Asia/Katmandu']],
    ['+18765551234', ['America/Jamaica']],
    // Idaho lies in two zones, and this exchange in either.
    ['+12085550123', ['America/Boise', 'America/Los_Angeles']],
  ])('%s is in %j', (number, zones) => expect(zonesOfNumber(number)).toEqual(zones));

  it('are all of the country for a mobile that may be anywhere in it', () => {
    expect(zonesOfNumber('+61412345678')).toEqual(expect.arrayContaining(['Australia/Sydney', 'Australia/Perth']));
    expect(zonesOfNumber('+79123456789')).toEqual(expect.arrayContaining(['Europe/Moscow', 'Asia/Vladivostok']));
    expect(zonesOfNumber('+77710009998')).not.toContain('Europe/Moscow');
    // In China the first digits tell where a mobile number was given out, and the whole country keeps one time.
    expect(zonesOfNumber('+8613123456789')).toHaveLength(1);
  });

  it('are all of the calling code for a number without a place', () =>
    expect(zonesOfNumber('+18002345678')).toEqual(
      expect.arrayContaining(['America/New_York', 'Pacific/Honolulu', 'America/St_Johns']),
    ));

  it('are a place only for lines and mobiles', () => {
    expect(['+12125550123', '+79123456789', '+493012345678'].map(namesPlace)).toEqual([true, true, true]);
    expect(['+18002345678', '+448001111111', '+80012345678', '+15555551234'].map(namesPlace)).toEqual(
      Array(4).fill(false),
    );
  });

  it('are unknown for numbers that nobody has, and for those of no country', () =>
    expect(['+15555551234', '+870773111632', '+99912345678'].map(zonesOfNumber)).toEqual([[], [], []]));

  it('are known to this runtime', () => {
    const zones = new Set(
      PHONE_ZONES.trim()
        .split('\n')
        .flatMap((line) => line.split('|')[0]!.split(' ')),
    );
    expect(zones.size).toBeGreaterThan(250);
    expect([...zones].filter((zone) => !isTimeZone(zone))).toEqual([]);
  });
});
