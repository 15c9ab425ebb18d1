const { writeFileSync } = require('node:fs');
const Mocha = require('mocha');

/** What a person reads (spec), and the counts for test/run.ts. */
module.exports = class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    // Sequelize gives its errors a stack without the message.
    runner.on('fail', (_, error) => {
      if (error.message && !error.stack?.includes(error.message))
        error.stack = `${error.name}: ${error.message}\n${error.stack}`;
    });
    // On a machine that is busy a wait can be too short. Whatever passes only the second time is told, with why.
    const again = [];
    runner.on('retry', (test, error) => again.push(`  ${test.fullTitle()}: ${error?.message ?? error}`));
    runner.once('end', () => {
      if (again.length > 0) process.stdout.write(`\nTried a second time:\n${again.join('\n')}\n`);
      const { passes, failures, pending } = this.stats;
      writeFileSync(process.env.FREEHOLD_TEST_REPORT, JSON.stringify({ passes, failures, pending }));
    });
  }
};
