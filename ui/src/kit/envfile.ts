/** Reading an application's .env file that was chosen or dropped here. */
import { rpc } from '../backend';
import type { ApiError, Described } from '../backend/types';

/** No .env is longer; anything else was picked by mistake. */
const LONGEST = 256 * 1024;

function refuse(message: string, hint: string): ApiError {
  return { code: 'bad_request', message, hint, retryable: false };
}

/** What a file describes. Its name goes along: `.env.production` says what it is for. */
export async function readEnvFile(file: File): Promise<Described> {
  if (file.size > LONGEST) {
    throw refuse(`${file.name} is too long for an .env file`, 'Choose a file of at most 256 KiB');
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw refuse(`${file.name} is no text in UTF-8`, 'Save it as UTF-8');
  }
  return rpc('env.from_dotenv', { text, path: file.name });
}
