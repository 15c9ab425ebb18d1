import assert from 'node:assert/strict';
import { isCommonPassword } from '../../models/passwords.ts';
import { passwordFaults } from '../../policies/password.ts';

const names = ['Ada Lovelace', 'ada.lovelace@acme.example', 'acme'];
const faults = (password: string, lengthMin = 10) =>
  passwordFaults(password, { names, lengthMin }, isCommonPassword);

describe('the rule for passwords', () => {
  it('R4.1 takes long ones of any kind of characters', () => {
    for (const good of [
      'violet trombone escalator',
      'ÄÖÜ ß 漢字かな交じり',
      'x7$kQ!m2Lp',
      'lovelace plays the tuba',
    ])
      assert.deepEqual(faults(good), [], good);
  });

  it('R4.1 counts characters as people do, and as many as the tenant asks for', () => {
    assert.equal(faults('😀😁😂🤣😃😄😅').length, 1);
    assert.deepEqual(faults('x7$kQ!m2Lp', 11), ['must have at least 11 characters']);
  });

  it('R4.1 sees through capitals, width and trimmings', () => {
    for (const bad of ['QWERTYUIOP', 'ｐａｓｓｗｏｒｄ１２', '!!Football99', 'trustno1trustno1'.slice(0, 8)])
      assert.notDeepEqual(faults(bad), [], bad);
  });

  it('R4.1 finds the person in it, whatever stands between', () => {
    for (const bad of ['Ada_Lovelace_1', 'acme-lovelace', 'lovelace-12345', 'ada.lovelace@acme.example'])
      assert.match(faults(bad).join(), /made of your name/, bad);
  });
});
