import { nearest } from '@ritmo/protocol';
import { type OptionKey, options, variableOf } from './table.js';

const prefix = 'RITMO_';
/** What builds and secret providers are given: the agent may itself run in a build. */
const ofBuilds = ['JOB_ID', 'JOB_NAME', 'ATTEMPT', 'STEP', 'WORKER', 'WORKSPACE'];
const words = (Object.keys(options) as OptionKey[]).map((key) => variableOf(key).slice(prefix.length));

/** Variables that are no setting and were likely meant to be one; what resembles none belongs to somebody else. */
export function mistypedVariables(
  env: Readonly<Record<string, string | undefined>>,
): ReadonlyArray<{ readonly variable: string; readonly meant: string }> {
  return Object.keys(env).flatMap((variable) => {
    if (!/^RITMO_\w+$/.test(variable)) return [];
    const word = variable.slice(prefix.length);
    if (words.includes(word) || ofBuilds.includes(word)) return [];
    const meant = nearest(word, words);
    return meant === undefined ? [] : [{ variable, meant: prefix + meant }];
  });
}
