import { busContract } from '../../test/testkit/bus-contract.js';
import { MemoryBus } from './memory.js';

busContract('in-process', async () => {
  const bus = new MemoryBus();
  return [bus, bus];
});
