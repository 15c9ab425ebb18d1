import { type ASTNode, Environment } from '@marcbachmann/cel-js';
import { Refusal } from './refusal.ts';

/**
 * From text to a tree in which nothing stands that is not meant to: functions by name, macros nested a few deep. The
 * type checker uses the same environment (policies/expression-types.ts).
 */
// What an editor's field holds; the tree below is bounded by it as well.
const expressionCharactersMax = 2_000;
const limits = {
  maxAstNodes: 500,
  maxDepth: 24,
  maxListElements: 200,
  maxMapEntries: 100,
  maxCallArguments: 4,
};
// All pairs of a list's items can be looked at; three deep, a list of 100 would be a million.
const comprehensionDepthMax = 2;

/** Numbers of JSON are neither whole nor not: arithmetic takes both kinds, as Postgres and JavaScript do. */
export function environment(variables: (known: Environment) => void = () => {}): Environment {
  const made = new Environment({ limits, homogeneousAggregateLiterals: false });
  for (const operator of ['+', '-', '*', '/', '%']) {
    const kinds = operator === '%' ? [...mixed, 'double % double'] : mixed;
    for (const kind of kinds) made.registerOperator(kind.replace('%', operator), () => 0);
  }
  variables(made);
  return made;
}
const mixed = ['int % double', 'double % int'];

const functions = new Set(['size', 'string', 'int', 'double', 'bool', 'dyn', 'has']);
export const comprehensions = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);
const methods = new Set([
  ...comprehensions,
  ...[
    'size',
    'contains',
    'startsWith',
    'endsWith',
    'indexOf',
    'substring',
    'lowerAscii',
    'upperAscii',
    'trim',
  ],
  ...['split', 'join'],
]);
const operations = new Set(
  'value id . [] call rcall list map ?: || && !_ -_ != == in + - * / % < <= > >='.split(' '),
);

const parser = environment();
const known = new Map<string, ASTNode>();
// Expressions of a few workflows; the oldest make room.
const knownMax = 500;

export function parsed(expression: string): ASTNode {
  const before = known.get(expression);
  if (before) return before;
  const tree = parse(expression);
  vet(tree, 0);
  if (known.size >= knownMax) known.delete(known.keys().next().value ?? '');
  known.set(expression, tree);
  return tree;
}

function parse(expression: string): ASTNode {
  if (expression.length > expressionCharactersMax)
    throw new Refusal(
      'unprocessable',
      `An expression may have at most ${expressionCharactersMax} characters.`,
    );
  if (expression.trim() === '') throw new Refusal('unprocessable', 'An expression must not be empty.');
  try {
    return parser.parse(expression).ast;
  } catch (cause) {
    throw notAnExpression(expression, cause);
  }
}

export function notAnExpression(expression: string, cause: unknown): Refusal {
  const { summary, range } = cause as { summary?: string; range?: { start: number } };
  const where = range ? ` at character ${range.start + 1}` : '';
  return new Refusal(
    'unprocessable',
    `“${shortened(expression)}”: ${summary ?? 'is not an expression'}${where}.`,
    { cause },
  );
}

const shortened = (expression: string): string =>
  expression.length > 80 ? `${expression.slice(0, 79)}…` : expression;

function vet(node: ASTNode, depth: number): void {
  if (!operations.has(node.op)) throw refused(`“${node.op}” is not offered here`);
  if (node.op === 'value' && node.args !== null && typeof node.args === 'object')
    throw refused('bytes and unsigned numbers are not offered here; write a text or a number');
  const name = nameOfCall(node);
  if (name !== undefined && !(node.op === 'call' ? functions : methods).has(name))
    throw refused(`the function ${name} is not offered here; docs/workflows.md lists those that are`);
  const deeper = depth + (node.op === 'rcall' && comprehensions.has(name ?? '') ? 1 : 0);
  if (deeper > comprehensionDepthMax)
    throw refused(
      `map, filter, all and exists stand within one another at most ${comprehensionDepthMax} deep`,
    );
  if (node.op === 'call' && name === 'has') vetHas(node.args[1]);
  // What a macro goes through stands beside it, not within it.
  const through = node.op === 'rcall' ? node.args[1] : undefined;
  for (const child of childrenOf(node)) vet(child, child === through ? depth : deeper);
}

function vetHas(args: ASTNode[]): void {
  if (args.length !== 1 || args[0]?.op !== '.') throw refused('has() takes a field, as in has(input.name)');
}

function nameOfCall(node: ASTNode): string | undefined {
  return node.op === 'call' || node.op === 'rcall' ? node.args[0] : undefined;
}

const refused = (what: string) => new Refusal('unprocessable', `In expressions, ${what}.`);

function childrenOf(node: ASTNode): ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return [];
    case '.':
    case '.?':
      return [node.args[0]];
    case 'call':
      return node.args[1];
    case 'rcall':
      return [node.args[1], ...node.args[2]];
    case 'map':
      return node.args.flat();
    case '!_':
    case '-_':
      return [node.args];
    default:
      return [...node.args];
  }
}
