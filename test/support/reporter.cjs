const { writeFileSync } = require('node:fs');
const Mocha = require('mocha');

/** What a person reads (spec), and the counts for test/run.ts. */
module.exports = class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      writeFileSync(process.env.FREEHOLD_TEST_REPORT, JSON.stringify({ passes, failures, pending }));
    });
  }
};
