// The edges between what takes part, drawn wherever the page has put it, and a dot for each event that travels along them.

const EDGES = [
  ['api-gateway', 'orders-stream'],
  ['orders-stream', 'order-publisher'],
  ['order-publisher', 'notification-subscriber'],
  ['orders-stream', 'payment-producer'],
  ['payment-producer', 'payments-stream'],
  ['payments-stream', 'payment-worker'],
  ['payment-worker', 'provider'],
  ['payment-worker', 'orders-stream'],
  ['orders-stream', 'api-gateway'],
];
const TO_PAYMENT = ['api-gateway', 'orders-stream', 'payment-producer', 'payments-stream', 'payment-worker'];
const TO_EVERYBODY = ['payment-worker', 'orders-stream', 'order-publisher', 'notification-subscriber'];
const HOP = 450;
const MOST_DOTS = 60;
const SVG = 'http://www.w3.org/2000/svg';

const flow = document.getElementById('flow');
const edges = document.getElementById('edges');
const still = matchMedia('(prefers-reduced-motion: reduce)');
const paths = new Map();
const dots = new Set();

function draw() {
  const origin = flow.getBoundingClientRect();
  const box = (id) => {
    const { left, top, right, bottom } = document.getElementById(id).getBoundingClientRect();
    return { left: left - origin.left, top: top - origin.top, right: right - origin.left, bottom: bottom - origin.top };
  };
  for (const [from, to] of EDGES) {
    const path = paths.get(`${from} ${to}`) ?? newPath(from, to);
    path.setAttribute('d', curve(box(from), box(to)));
  }
}

function newPath(from, to) {
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('marker-end', 'url(#arrow)');
  edges.append(path);
  paths.set(`${from} ${to}`, path);
  return path;
}

// From one side of a box to the facing side of the other; beside each other it is level, above each other upright.
function curve(a, b) {
  const middle = (box) => ({ x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 });
  const [p, q] = [middle(a), middle(b)];
  const level = a.right < b.left || b.right < a.left;
  if (level) {
    const right = a.right < b.left;
    // What goes back runs a little lower, so that two edges between the same boxes are two.
    const lower = right ? 0 : 18;
    const [x1, x2] = right ? [a.right, b.left - 6] : [a.left, b.right + 6];
    const [y1, y2] = [Math.min(p.y, a.top + 34) + lower, Math.min(q.y, b.top + 34) + lower];
    const bend = (x1 + x2) / 2;
    return `M${x1},${y1} C${bend},${y1} ${bend},${y2} ${x2},${y2}`;
  }
  const down = p.y < q.y;
  const [y1, y2] = down ? [a.bottom, b.top - 6] : [a.top, b.bottom + 6];
  const side = down ? -24 : 24;
  const bend = (y1 + y2) / 2;
  return `M${p.x + side},${y1} C${p.x + side},${bend} ${q.x + side},${bend} ${q.x + side},${y2}`;
}

// Shows moments as dots, spread over the quarter of a second that they were collected in.
export function travel(moments) {
  if (document.hidden || still.matches) return;
  moments.forEach(({ kind }, index) => {
    const stops = kind === 'placed' ? TO_PAYMENT : TO_EVERYBODY;
    setTimeout(() => send(kind, stops), (index * 250) / moments.length);
  });
}

function send(kind, stops) {
  if (dots.size >= MOST_DOTS) return;
  const dot = document.createElementNS(SVG, 'circle');
  dot.setAttribute('class', kind);
  edges.append(dot);
  dots.add({ dot, stops, since: performance.now() });
  if (dots.size === 1) requestAnimationFrame(move);
}

function move(now) {
  for (const traveller of dots) {
    const hops = (now - traveller.since) / HOP;
    const hop = Math.max(0, Math.floor(hops));
    const path = paths.get(`${traveller.stops[hop]} ${traveller.stops[hop + 1]}`);
    if (!path) {
      traveller.dot.remove();
      dots.delete(traveller);
      continue;
    }
    const { x, y } = path.getPointAtLength(path.getTotalLength() * Math.max(0, hops - hop));
    traveller.dot.setAttribute('cx', x);
    traveller.dot.setAttribute('cy', y);
  }
  if (dots.size > 0) requestAnimationFrame(move);
}

function arrow() {
  const marker = document.createElementNS(SVG, 'marker');
  for (const [name, value] of Object.entries({ id: 'arrow', viewBox: '0 0 8 8', refX: 5, refY: 4, markerWidth: 5, markerHeight: 5, orient: 'auto' })) marker.setAttribute(name, value);
  const head = document.createElementNS(SVG, 'path');
  head.setAttribute('d', 'M0 0 8 4 0 8z');
  marker.append(head);
  edges.append(marker);
}

arrow();
draw();
new ResizeObserver(draw).observe(flow);
