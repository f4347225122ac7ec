import { LogLineSplitter } from '@ritmo/protocol';
import { describe, expect, it } from 'vitest';
import { jsonText } from '../../src/render/json-text.js';
import { logPrinter } from '../../src/render/log-printer.js';
import { outputTo } from '../../src/io.js';

const hostile = { path: 'a\u001b]0;title\u0007b\u009b2Jc\u202ed\u2028e', plain: 'ü🎉\n' };

describe('JSON', () => {
  it('is as it is for programs', () => {
    const json = JSON.stringify(hostile);
    expect(jsonText(json, { terminal: false })).toBe(json);
  });

  it('steers no terminal, and means the same there', () => {
    const shown = jsonText(JSON.stringify(hostile, null, 2), { terminal: true });
    expect(shown).toContain('\\u009b2Jc\\u202ed\\u2028e');
    expect(JSON.parse(shown)).toEqual(hostile);
  });

  it('of a log is shown so too, also where a line is no JSON', () => {
    const written: string[] = [];
    const stream = { isTTY: true, write: (text: string) => written.push(text) > 0 };
    using printer = logPrinter(outputTo(stream, {}), { json: true, live: false });
    const lines = `{"t":1,"k":"out","s":0,"fd":1,"m":"\u009b2J"}\n\u001b[2J no record\n`;
    for (const line of new LogLineSplitter().lines(Buffer.from(lines))) printer.print(line);
    expect(written).toEqual(['{"t":1,"k":"out","s":0,"fd":1,"m":"\\u009b2J"}\n', '\\u001b[2J no record\n']);
  });
});
