import assert from 'node:assert/strict';
import { openHome } from '../../deploy/embedded/home.ts';
import { portsFrom } from '../../deploy/embedded/ports.ts';
import { settingsFor } from '../../deploy/embedded/product.ts';
import { scratchFolder } from './scratch.ts';

describe('the settings of the embedded mode', () => {
  it('R6.2 keep the private targets that the terminal lists, beside the demo server', async () => {
    const scratch = await scratchFolder();
    const home = await openHome(scratch.path);
    const databases = { system: '', 'eu-1': '', 'us-1': '' };
    const privateTargets = (listed?: string) =>
      settingsFor(home, portsFrom(7400), databases, '127.0.0.1:7403', listed).FREEHOLD_EGRESS_PRIVATE;
    assert.equal(privateTargets('127.0.0.1:9000,10.1.0.0/16'), '127.0.0.1:7410,127.0.0.1:9000,10.1.0.0/16');
    assert.equal(privateTargets(''), '127.0.0.1:7410');
    await scratch.remove();
  });
});
