import { momentInWords, nounOf, numberInWords } from './limit-words.ts';
import { type Limit, limitText, type Text } from './notice-text.ts';

/** What a notice says of a request for more, whatever became of it. */
export type RequestFacts = {
  /** The limit as it is now; undefined where it is no more. */
  limit: Limit | undefined;
  outcome: string;
  asked: number;
  granted: number | null;
  until: Date | null;
  zone: string;
};

export function requestText({ limit, outcome, asked, granted, until, zone }: RequestFacts): Text {
  const end = until
    ? ` until ${momentInWords(until, zone)}; it is then lowered again by itself`
    : ', without an end';
  const amount = (of: number) => (limit ? limitText({ ...limit, amount: of }) : numberInWords(of));
  const sentences: Record<string, string> = {
    approved: `It was granted: the limit is ${amount(granted ?? asked)}${end}.`,
    refused: 'It was refused. GET /v1/quota-requests tells why.',
    reverted: 'The raise is over, and the limit is what it was before.',
    withdrawn: 'It was taken back, and nothing of it is left.',
    lapsed: 'Nobody decided on it in time, so it is over. You can ask again.',
    failed: 'It could not be carried out, and nothing of it is left. You can ask again.',
  };
  return {
    subject: `Your request for more${limit ? ` ${nounOf(limit.meter)}` : ''}: ${outcome}`,
    text: `You asked for ${amount(asked)}.\n${sentences[outcome] ?? outcome}`,
  };
}
