import type { Span } from './screen.js';

const cell = { width: 8.4, height: 18 };
const margin = 14;
const ground = '#16181d';
const ink = '#d7dae0';
const palette: readonly string[] = [
  ...['#4b5263', '#ef6b73', '#8cc265', '#d8a657', '#61a8ee', '#c678dd', '#4fb6c2', '#d7dae0'],
  ...['#7a828e', '#ff8087', '#a5e075', '#f0c674', '#7cbcf9', '#de9bf5', '#6fd3dd', '#ffffff'],
];

/** A screen as an SVG picture. `title` is read to those who do not see it. */
export function svgOf(rows: readonly Span[][], columns: number, title: string): string {
  const width = Math.ceil(columns * cell.width + 2 * margin);
  const height = rows.length * cell.height + 2 * margin;
  const texts = rows.map((spans, row) => {
    const y = margin + row * cell.height + 13;
    const parts = spans.filter(({ text }) => text.trim() !== '').map(spanOf);
    return parts.length === 0 ? '' : `<text y="${y}">${parts.join('')}</text>\n`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="100%" height="100%" rx="8" fill="${ground}"/>`,
    `<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" fill="${ink}" xml:space="preserve">`,
    `${texts.join('')}</g>`,
    '</svg>\n',
  ].join('\n');
}

function spanOf({ text, column, colour, bold, dim }: Span): string {
  const said = text.trimEnd();
  const x = (margin + column * cell.width).toFixed(1);
  const length = (said.length * cell.width).toFixed(1);
  const look = [
    colour === undefined ? '' : ` fill="${palette[colour] ?? ink}"`,
    bold ? ' font-weight="bold"' : '',
    dim ? ' opacity="0.6"' : '',
  ].join('');
  return `<tspan x="${x}" textLength="${length}" lengthAdjust="spacingAndGlyphs"${look}>${escaped(said)}</tspan>`;
}

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character] ?? '');
