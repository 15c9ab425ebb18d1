/** What the ledger of limits should say, worked out as simply as can be: sums over everything that is held and was used. */
type Kept = {
  id: string;
  meter: string;
  agent: string;
  parent: Kept | undefined;
  left: number;
  open: boolean;
  limited: string[];
};

type Asked = {
  /** `tokens` is what both others take from. */
  meter: string;
  agent: string;
  amount: number;
  least: number;
  parentId?: string | undefined;
};

export class ReferenceLedger {
  readonly amounts: Map<string, number>;
  private readonly kept = new Map<string, Kept>();
  private readonly used = new Map<string, number>();

  constructor(amounts: Record<string, number>) {
    this.amounts = new Map(Object.entries(amounts));
  }

  /** What is granted; undefined where it is refused. */
  reserve(id: string, { meter, agent, amount, least, parentId }: Asked): number | undefined {
    const known = this.kept.get(id);
    if (known?.open) return known.left;
    const named = parentId === undefined ? undefined : this.kept.get(parentId);
    if (known && known.left > 0) return undefined;
    for (let at = named; at && known; at = at.parent) if (at === known) return undefined;
    const parent = named && [meter, 'tokens'].includes(named.meter) ? named : undefined;
    const above = parent ? limitedUpward(parent) : [];
    const limited = this.countersOf(agent).filter((counter) => !above.includes(counter));
    const ofParent = parent?.open ? parent.left - this.heldOf(parent) : 0;
    const free = Math.min(parent ? ofParent : Number.POSITIVE_INFINITY, this.freeOf(limited));
    const granted = Math.min(amount, Math.max(0, free));
    if (granted < Math.min(least, amount)) return undefined;
    this.kept.set(id, { id, meter, agent, parent, left: granted, open: true, limited });
    return granted;
  }

  use(id: string, agent: string, amount: number): void {
    const known = this.kept.get(id);
    const held = known ? limitedUpward(known) : [];
    for (const counter of new Set([...this.countersOf(agent), ...held])) this.add(counter, amount);
    for (let at = known; at; at = at.parent) at.left -= Math.min(at.left, amount);
    this.end(id);
  }

  end(id: string): void {
    const known = this.kept.get(id);
    if (!known?.open) return;
    this.keep(id, 0);
    known.open = false;
  }

  /** Gives back what is neither used nor held by children. */
  keep(id: string, used: number): void {
    const known = this.kept.get(id);
    if (!known?.open) return;
    let freed = Math.max(0, known.left - this.heldOf(known) - used);
    known.left -= freed;
    // What is given back to one that is over itself goes on to where that had it from.
    for (let at = known.parent; at && !at.open; at = at.parent) {
      freed = Math.min(freed, at.left);
      at.left -= freed;
    }
  }

  usedOf = (counter: string): number => this.used.get(counter) ?? 0;
  reservedOf = (counter: string): number =>
    this.all().reduce((sum, each) => sum + (each.limited.includes(counter) ? each.left : 0), 0);
  open = (): string[] => this.all().flatMap((each) => (each.open ? each.id : []));

  private countersOf = (agent: string) =>
    ['all', `each ${agent}`].filter((counter) => this.amounts.has(nameOf(counter)));
  private all = () => [...this.kept.values()];
  private heldOf = (parent: Kept) =>
    this.all().reduce((sum, each) => sum + (each.parent === parent ? each.left : 0), 0);
  private freeOf = (counters: string[]) =>
    Math.min(
      ...counters.map((counter) => {
        const amount = this.amounts.get(nameOf(counter)) ?? 0;
        return amount - this.usedOf(counter) - this.reservedOf(counter);
      }),
    );
  private add(counter: string, amount: number): void {
    this.used.set(counter, this.usedOf(counter) + amount);
  }
}

const limitedUpward = ({ limited, parent }: Kept): string[] =>
  parent ? [...limited, ...limitedUpward(parent)] : limited;
const nameOf = (counter: string): string => counter.split(' ')[0] ?? '';
