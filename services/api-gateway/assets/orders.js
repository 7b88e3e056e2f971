// Placing orders, and following those that were placed here until they come to an end, also after the page was loaded anew.
import { answer, post } from './forms.js';

const KEPT = 'orders';
const TRIES = 6;
const AT_ONCE = 4;
const LOOK_AGAIN = 1000;
const WORDS = { accepted: 'accepted', paid: 'paid', payment_declined: 'declined', payment_parked: 'parked' };
const FINAL = ['paid', 'payment_declined'];

const form = document.getElementById('order');
const hundred = document.getElementById('hundred');
const told = document.getElementById('order-answer');
const list = document.getElementById('mine');
// The newest first: what is known of each order.
const orders = JSON.parse(sessionStorage.getItem(KEPT) ?? '[]');

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// As hard to guess as the API asks. (randomUUID is there only over TLS.)
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// A lost answer is asked for again by the same key, so that there is one order however often it is sent.
async function place(body) {
  const key = newKey();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await post('/orders', body, { 'Idempotency-Key': key });
    } catch (error) {
      const lost = error.status === undefined || error.status >= 500;
      if (!lost || attempt === TRIES) throw error;
      await pause((error.after || attempt) * 500);
    }
  }
}

function wanted() {
  const { sku, quantity, customer_id } = Object.fromEntries(new FormData(form));
  return { ...(customer_id ? { customer_id } : {}), items: [{ sku, quantity: Number(quantity) }] };
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  try {
    const order = await place(wanted());
    keep(order);
    answer(told, `Accepted: ${order.total.amount} ${order.total.currency}.`);
  } catch (error) {
    answer(told, error.message, true);
  }
});

hundred.addEventListener('click', async () => {
  hundred.disabled = true;
  const order = wanted();
  let placed = 0;
  let refused;
  const turn = async (first) => {
    for (let n = first; n < 100 && !refused; n += AT_ONCE) {
      try {
        // A customer may place ten a minute, so these are of a hundred customers; whoever is logged in is one.
        keep(await place(order.customer_id ? { ...order, customer_id: `demo-${n + 1}` } : order));
        placed += 1;
        answer(told, `Placed ${placed} of 100.`);
      } catch (error) {
        refused = error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, first) => turn(first)));
  if (refused) answer(told, `Placed ${placed} of 100, then: ${refused.message}`, true);
  hundred.disabled = false;
});

function keep({ id, status, total }) {
  orders.unshift({ id, status, total: `${total.amount} ${total.currency}` });
  orders.length = Math.min(orders.length, 200);
  show();
}

function show() {
  sessionStorage.setItem(KEPT, JSON.stringify(orders));
  list.replaceChildren(...orders.slice(0, 100).map(({ id, status, total }) => {
    const item = document.createElement('li');
    const link = document.createElement('a');
    const state = document.createElement('b');
    link.href = `/orders/${id}/page`;
    link.className = 'code';
    link.textContent = id.slice(0, 8);
    state.className = WORDS[status] === 'accepted' ? 'placed' : WORDS[status];
    state.textContent = WORDS[status] ?? status;
    item.append(link, state, total);
    return item;
  }));
}

async function look(order) {
  const response = await fetch(`/orders/${order.id}`);
  if (response.ok) order.status = (await response.json()).status;
}

// What is told live may be left out, so those that wait are looked at again and again, a few at a time in turn.
async function lookAll() {
  for (let turn = 0; ; turn += AT_ONCE) {
    const open = orders.filter(({ status }) => status === 'accepted');
    const some = Array.from({ length: Math.min(AT_ONCE, open.length) }, (_, n) => open[(turn + n) % open.length]);
    try {
      await Promise.all(some.map(look));
      if (some.length) show();
    } catch {
      // The connection is lost, as the page says; it is tried again.
    }
    const moved = some.length > 0 && some.every(({ status }) => status !== 'accepted');
    await pause(moved ? 50 : LOOK_AGAIN);
  }
}

// An event of one of these orders: it is looked at at once.
export function heardOf(moments) {
  for (const { order: label } of moments) {
    const order = orders.find(({ id, status }) => id.startsWith(label) && !FINAL.includes(status));
    if (order) look(order).then(show, () => {});
  }
}

show();
lookAll();
