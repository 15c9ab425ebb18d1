import { effective, type Origin, type Sources } from './setting-inheritance.ts';
import { declarationOf, type SettingKey, settingKeys } from './settings.ts';

/** What a change makes of what holds: each key whose value or origin differs. What is sensitive is not told. */
type Told = { value: unknown; origin: Origin };
export type Difference = { key: SettingKey; before: Told; after: Told };

export function differences(before: Sources, after: Sources): Difference[] {
  return settingKeys.flatMap((key) => {
    const [was, is] = [effective(key, before), effective(key, after)];
    const same = was.origin === is.origin && JSON.stringify(was.value) === JSON.stringify(is.value);
    return same ? [] : [{ key, before: told(key, was), after: told(key, is) }];
  });
}

/** As it may be shown. */
export const told = (key: SettingKey, { value, origin }: Told): Told => ({
  value: declarationOf(key).sensitive ? null : value,
  origin,
});
