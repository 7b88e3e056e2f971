// Operating: groups, dead letters, parked payments, breaking things on purpose, and who did what. All of it is asked of
// /operator/…, and everything that is done is an entry on the control stream, whose outcome is waited for.
import { answer, explain, post } from './forms.js';

const EVERY = 5000;
const OUTCOME_WITHIN = 60000;
const RECEIPT_WITHIN = 240000;
const PER_SECOND = 50;

const byId = (id) => document.getElementById(id);
const told = byId('operator-answer');
const dialog = byId('ask');
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function get(path) {
  const response = await fetch(path);
  const json = await response.json();
  if (!response.ok) throw new Error(explain(json, response));
  return json;
}

// Shows a row for each; as long as nothing has changed, the rows stay, and with them what somebody is about to press.
function fill(table, items, cells) {
  const body = byId(table).tBodies[0];
  const now = JSON.stringify(items);
  if (body.dataset.told === now) return;
  body.dataset.told = now;
  body.replaceChildren(...items.map((item) => {
    const row = document.createElement('tr');
    for (const cell of cells(item)) {
      const td = row.insertCell();
      if (typeof cell === 'number') td.className = 'number';
      td.append(...[cell ?? ''].flat());
    }
    return row;
  }));
}

function button(text, act, look = 'quiet') {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = look;
  made.textContent = text;
  made.addEventListener('click', () => attempt(act));
  return made;
}

function link(text, href) {
  const made = document.createElement('a');
  made.className = 'code';
  made.href = href;
  made.textContent = text;
  return made;
}

const time = (text) => new Date(text).toLocaleTimeString([], { hour12: false });

async function attempt(act) {
  try {
    await act();
  } catch (error) {
    answer(told, error.message, true);
  }
  await refresh();
}

// Asks the person; what they typed, or nothing if they leave it.
function ask(title, text, { why = false, charge = false } = {}) {
  const form = dialog.querySelector('form');
  form.reset();
  byId('ask-title').textContent = title;
  byId('ask-text').textContent = text;
  byId('ask-charge').hidden = !charge;
  form.charge_id.required = charge;
  form.why.required = why;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener('close', () => done(dialog.returnValue === 'do' ? Object.fromEntries(new FormData(form)) : undefined), { once: true });
  });
}

// Has something done, and says what came of it.
async function act(action, why) {
  const { id } = await post('/operator/actions', { ...action, ...(why ? { why } : {}) });
  answer(told, 'It is written down, and waits for whoever carries it out.');
  const { carried_out: outcome } = await until(id, ({ carried_out: outcome }) => outcome, OUTCOME_WITHIN);
  if (outcome) answer(told, `${outcome.instance}: ${outcome.outcome}`, !outcome.succeeded);
  else answer(told, 'Nobody has carried it out yet. It will be as soon as the service runs.', true);
  return { id, succeeded: outcome?.succeeded };
}

async function until(id, is, limit) {
  const end = performance.now() + limit;
  for (;;) {
    const action = await get(`/operator/actions/${id}`);
    if (is(action) || performance.now() > end) return action;
    await pause(300);
  }
}

async function groups() {
  const { groups } = await get('/operator/groups');
  fill('groups', groups.filter(({ service }) => service), ({ group, stream, lag, pending, dead_letters: dead, paused }) => [
    group,
    stream,
    lag ?? '–',
    pending,
    dead,
    paused ? `by ${paused.by}${paused.why ? `: ${paused.why}` : ''}` : 'no',
    paused
      ? button('Resume', () => act({ action: 'resume_group', group }))
      : button('Pause', async () => {
        const said = await ask(`Pause ${group}`, 'It takes nothing more until somebody resumes it. What it has in hand is finished.', { why: true });
        if (said) await act({ action: 'pause_group', group }, said.why);
      }),
  ]);
}

// What of a reason is in all of its letters: the longest part between what differs.
const common = (reason) => reason.split('…').reduce((longest, part) => (part.length > longest.length ? part : longest), '');

async function letters() {
  const { letters, complete, causes } = await get('/operator/dead-letters');
  byId('letters').hidden = letters === 0;
  byId('letters-hint').textContent = letters === 0 ? 'None.' : `${letters} letters${complete ? '' : ' and more'}, by what they have in common.`;
  fill('letters', causes, (cause) => [
    cause.group, cause.type ?? 'none', cause.reason, cause.count, time(cause.newest),
    [button('Show one', () => showLetter(cause)), ' ', button('Replay', () => settle(cause, 'replay')), ' ', button('Drop', () => settle(cause, 'drop'), 'grave')],
  ]);
}

async function showLetter({ example }) {
  const place = typeof example === 'string' ? example : `${example.group}/${example.partition}/${example.id}`;
  const shown = byId('letter');
  shown.textContent = JSON.stringify(await get(`/operator/dead-letters/${place}`), null, 2);
  shown.hidden = false;
  shown.focus();
}

// First a look at which letters are meant; then those, and none that came later, if the person says so.
async function settle({ group, type, reason }, how) {
  const wanted = new URLSearchParams({ group, ...(type ? { type } : {}), ...(common(reason) ? { reason: common(reason) } : {}) });
  const { letters, complete, filter, causes } = await get(`/operator/dead-letters?${wanted}`);
  const meant = causes.map((cause) => `${cause.count} × ${cause.reason}`).join('; ');
  const consequence = how === 'replay'
    ? `would be given to ${group} again, ${PER_SECOND} a second at most.`
    : 'would be deleted for good.';
  const said = await ask(how === 'replay' ? 'Replay dead letters' : 'Drop dead letters', `${letters}${complete ? '' : ' and more'} letters (${meant}) ${consequence}`);
  if (!said) return;
  byId('letter').hidden = true;
  if (how === 'replay') await act({ action: 'replay_dead_letters', group, filter, per_second: PER_SECOND }, said.why);
  else await act({ action: 'drop_dead_letters', group, filter }, said.why);
}

async function parked() {
  const { payments } = await get('/operator/parked-payments');
  byId('parked').hidden = payments.length === 0;
  byId('parked-hint').textContent = payments.length === 0 ? 'None.' : 'Look each up at the provider by its payment id, and say what became of it.';
  fill('parked', payments, (payment) => [
    link(payment.order_id.slice(0, 8), `/orders/${payment.order_id}/page`),
    `${payment.amount.amount} ${payment.amount.currency}`, payment.reason, payment.attempts, time(payment.parked_at),
    [button('It was paid', () => resolve(payment, true)), ' ', button('It was not', () => resolve(payment, false))],
  ]);
}

async function resolve({ payment_id: id, amount }, paid) {
  const text = `Payment ${id}, ${amount.amount} ${amount.currency}. ${paid ? 'The order will be paid.' : 'The provider is asked once more, and believed; else the order is declined.'}`;
  const said = await ask(paid ? 'The money was moved' : 'The money was not moved', text, { why: true, charge: paid });
  if (!said) return;
  const verdict = paid ? { verdict: 'paid', charge_id: said.charge_id } : { verdict: 'declined' };
  await post(`/operator/parked-payments/${id}/resolution`, { ...verdict, why: said.why });
  answer(told, 'The decision is written down; a payment-worker carries it out.');
}

function words({ action, group, worker, percent, seconds }) {
  return [action.replaceAll('_', ' '), group, worker, percent && `${percent} %`, seconds && `${seconds} s`].filter(Boolean).join(' ');
}

async function audit() {
  const { actions } = await get('/operator/actions?limit=20');
  fill('audit', actions, (action) => [
    time(action.asked_at), action.by, words(action), action.why ?? '', action.carried_out?.outcome ?? 'not carried out yet',
  ]);
}

for (const button of document.querySelectorAll('#chaos [data-action]')) {
  button.addEventListener('click', () => attempt(async () => {
    button.disabled = true;
    byId('receipt').replaceChildren();
    try {
      const { id, succeeded } = await act({ action: button.dataset.action });
      if (!succeeded) return;
      await audit();
      const { receipt } = await until(id, ({ receipt }) => receipt, RECEIPT_WITHIN);
      if (receipt) showReceipt(receipt);
    } finally {
      button.disabled = false;
    }
  }));
}

function showReceipt(receipt) {
  const figures = [
    ['Orders in the window', receipt.orders], ['paid', receipt.paid], ['declined', receipt.declined], ['parked', receipt.parked],
    ['lost', receipt.lost], ['charged twice', receipt.charged_twice],
  ];
  byId('receipt').replaceChildren(...figures.map(([name, value]) => {
    const [figure, dt, dd] = ['div', 'dt', 'dd'].map((tag) => document.createElement(tag));
    dt.textContent = name;
    dd.textContent = value;
    figure.append(dt, dd);
    return figure;
  }));
}

async function refresh() {
  const looks = await Promise.allSettled([groups(), letters(), parked(), audit()]);
  const failed = looks.find(({ status }) => status === 'rejected');
  if (failed) answer(told, failed.reason.message, true);
}

async function keepFresh() {
  for (;;) {
    if (!document.hidden && !dialog.open) await refresh();
    await pause(EVERY);
  }
}

keepFresh();
