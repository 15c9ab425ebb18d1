import {
  type Answer,
  type Call,
  type Declared,
  type Incoming,
  type Nothing,
  parseCall,
  type Route,
  type Shape,
} from './route.ts';
import { type Purpose, throttleAddress } from './throttle.ts';

/** Routes for people who are nobody yet: sign-in and invitations. Counted by address, since there is no one else to count. */
type Public<P extends Shape, Q extends Shape, B extends Shape> = Declared<P, Q, B> & {
  /** What it is counted as; what is asked often must not use up somebody's attempts to sign in. */
  counted?: Purpose;
  handle: (call: Call<P, Q, B> & { incoming: Incoming }) => Promise<Answer>;
};

export function publicRoute<P extends Shape = Nothing, Q extends Shape = Nothing, B extends Shape = Nothing>(
  spec: Public<P, Q, B>,
): Route {
  return {
    ...spec,
    scope: 'public',
    serve: async (incoming) => {
      await throttleAddress(incoming.response, incoming.source, spec.counted ?? 'sign-in');
      return spec.handle({ ...parseCall(spec, incoming), incoming });
    },
  };
}
