// Plays language-neutral cases in the foreign simulator: `node simulator.cjs FOLDER CASES`, a line of JSON a case.
// FOLDER is one in which `npm i @cdklabs/cdk-ssm-documents aws-cdk-lib constructs` was run.
const { createRequire } = require('module');
const fs = require('fs');
const path = require('path');

const [folder, file] = process.argv.slice(2);
const load = createRequire(path.join(path.resolve(folder), 'index.js'));
const { App, Stack } = load('aws-cdk-lib');
const ssm = load('@cdklabs/cdk-ssm-documents');
console.log = () => {};

const typeOf = (value) => ({ number: 'Integer', boolean: 'Boolean' })[typeof value] || 'String';
const declared = (inputs) => Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, { type: typeOf(v) }]));

function documentOf(one) {
  if (one.kind === 'choice') {
    const yes = { name: 'yesStep', action: 'aws:pause', inputs: {}, isEnd: true };
    const no = { name: 'noStep', action: 'aws:sleep', inputs: { Duration: 'PT1S' }, isEnd: true };
    const branch = {
      name: 'branch', action: 'aws:branch',
      inputs: { Choices: [{ ...one.choice, NextStep: 'yesStep' }], Default: 'noStep' },
    };
    return { parameters: declared(one.inputs), mainSteps: [branch, yes, no] };
  }
  if (one.kind === 'step') {
    const put = (_, text) => JSON.stringify((one.context || {})[text]);
    const step = JSON.stringify(one.step).replace(/"\{\{ ([\w.]+) \}\}"/g, put);
    return { parameters: {}, mainSteps: [JSON.parse(step)] };
  }
  const keys = ['variables', 'outputs', 'mainSteps'];
  const found = Object.fromEntries(keys.filter((key) => one[key]).map((key) => [key, one[key]]));
  return { ...found, parameters: { ...declared(one.inputs || {}), ...one.parameters } };
}

function play(one) {
  const answers = one.aws_responses || [one.aws_response];
  let asked = 0;
  let paused = 0;
  const props = {
    pauseHook: { pause: () => { paused += 1; } },
    sleepHook: { sleep: () => {} },
    awsInvoker: { invoke: () => answers[Math.min(asked++, answers.length - 1)] || {} },
  };
  const text = JSON.stringify({ schemaVersion: '0.3', ...documentOf(one) });
  const stack = new Stack(new App(), 'S');
  const made = ssm.StringDocument.fromJson(stack, 'D', text);
  const began = process.hrtime.bigint();
  const result = ssm.Simulation.ofAutomation(made, props).simulate(one.inputs || {});
  const spent = Number(process.hrtime.bigint() - began) / 1e6;
  return { status: result.responseCode === 0 ? 'Success' : 'Failed', chosen: paused > 0, outputs: result.outputs, ms: spent, asked };
}

for (const one of JSON.parse(fs.readFileSync(file, 'utf8')).cases) {
  let found;
  try {
    found = one.fail ? { error: 'needs the simulator\'s own test hook' } : play(one);
  } catch (error) {
    found = { error: String(error.message || error).split('\n')[0] };
  }
  process.stdout.write(`${JSON.stringify({ title: one.title, kind: one.kind, expect: one.expect, ...found })}\n`);
}
