/**
 * Where a tenant may keep a key of its own: at AWS itself, or at an address on the operator's list. We send our own
 * identity there, so nobody else's choice of a host is followed.
 */
export const customerArn = /^arn:aws(-cn|-us-gov)?:kms:[a-z]{2}(-[a-z]+)+-\d:\d{12}:key\/[\w-]{1,128}$/;

export function endpointFault(
  arn: string,
  endpoint: string | undefined,
  allowed: readonly string[],
): string | undefined {
  if (endpoint === undefined) return undefined;
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (!url || url.username || url.password || url.search || url.hash || url.pathname !== '/')
    return 'must be the address of a key service and nothing else, such as https://kms.eu-west-1.amazonaws.com';
  if (allowed.some((each) => new URL(each).origin === url.origin)) return undefined;
  const region = arn.split(':')[3];
  const ours = [
    `kms.${region}.amazonaws.com`,
    `kms-fips.${region}.amazonaws.com`,
    `kms.${region}.amazonaws.com.cn`,
  ];
  if (url.protocol === 'https:' && url.port === '' && ours.includes(url.hostname)) return undefined;
  return 'must be AWS KMS in the region of the key, or on the list of the operator of this installation';
}
