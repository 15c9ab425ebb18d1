import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { newId } from '../../models/ids.ts';
import type { Egress } from '../egress/egress.ts';
import { CheckFailed, type Connection } from './connection.ts';

type Handler = Extract<NonNullable<S3ClientConfig['requestHandler']>, { handle: unknown }>;
type Sent = Parameters<Handler['handle']>[0];

/** The SDK's requests, by the guarded way. Nothing of the machine's own AWS settings takes part. */
function s3Client({ target, credentials: [secretAccessKey], egress }: Connection<'s3'>): S3Client {
  return new S3Client({
    endpoint: target.url,
    region: target.region,
    forcePathStyle: true,
    credentials: { accessKeyId: target.accessKeyId, secretAccessKey },
    // Other makes than AWS do not know the checksums that the SDK would add by itself.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 1,
    requestHandler: guardedHandler(egress),
  });
}

function guardedHandler(egress: Egress): Handler {
  const handle = async (sent: Sent, { abortSignal }: { abortSignal?: unknown } = {}) => {
    const answer = await egress.fetch(urlOf(sent), {
      method: sent.method,
      headers: withoutHost(sent.headers),
      body: sent.body,
      ...(abortSignal instanceof AbortSignal && { signal: abortSignal }),
    });
    const headers = Object.fromEntries(answer.headers);
    // The platform's web stream and Node's differ in name only.
    const body = answer.body
      ? Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0])
      : undefined;
    return { response: { statusCode: answer.status, reason: answer.statusText, headers, body } };
  };
  return { handle, updateHttpClientConfig() {}, httpHandlerConfigs: () => ({}) } as Handler;
}

function urlOf({ protocol, hostname, port, path, query = {} }: Sent): URL {
  const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`);
  for (const [name, value] of Object.entries(query))
    for (const each of Array.isArray(value) ? value : [value ?? '']) url.searchParams.append(name, each);
  return url;
}

const withoutHost = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(host|content-length)$/i.test(name)));

/** That objects can be written and removed is tried, for it is what the bucket is for. */
export async function checkS3(connection: Connection<'s3'>): Promise<void> {
  const client = s3Client(connection);
  const { bucket: Bucket, prefix } = connection.target;
  const Key = `${prefix}freehold-check-${newId('req')}`;
  try {
    await client.send(
      new PutObjectCommand({ Bucket, Key, Body: Buffer.from('written by a check; safe to delete\n') }),
    );
    await client.send(new DeleteObjectCommand({ Bucket, Key }));
  } catch (cause) {
    throw verdictOn(cause);
  } finally {
    client.destroy();
  }
}

const unknownToIt =
  /^(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|AuthorizationHeaderMalformed|InvalidAccessKey|AuthFailure|XAdminUserNotFound)$/;

function verdictOn(cause: unknown): unknown {
  if (!(cause instanceof S3ServiceException)) return cause;
  if (unknownToIt.test(cause.name)) return new CheckFailed('auth', undefined, cause);
  if (cause.name === 'NoSuchBucket')
    return new CheckFailed('permission', 'There is no such bucket; make it, or correct its name.', cause);
  const { httpStatusCode: status = 0 } = cause.$metadata;
  if (status === 403)
    return new CheckFailed(
      'permission',
      'The key may not write and delete objects in this bucket; allow it both.',
      cause,
    );
  if (status === 401) return new CheckFailed('auth', undefined, cause);
  return new CheckFailed('answer', undefined, cause);
}
