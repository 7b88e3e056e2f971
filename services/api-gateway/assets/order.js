// One order's page: is loaded anew, in place, whenever something happens to the order.
import './forms.js';

const order = () => document.getElementById('order');

async function refresh() {
  const response = await fetch(location.href);
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html').querySelector('main');
  const open = new Set([...document.querySelectorAll('details.entry[open] summary')].map((summary) => summary.textContent));
  const said = document.getElementById('status').textContent;
  document.querySelector('main').replaceWith(fresh);
  for (const summary of document.querySelectorAll('details.entry summary')) if (open.has(summary.textContent)) summary.parentElement.open = true;
  // What is there from the start is not read out; so it is said again if it has changed.
  const status = document.getElementById('status');
  const now = status.textContent;
  if (now !== said) {
    status.textContent = '';
    requestAnimationFrame(() => { status.textContent = now; });
  }
}

if (order().dataset.final === undefined) {
  // The browser takes it up again by itself where it was lost, and is told when nothing more can happen.
  const source = new EventSource(`/orders/${order().dataset.order}/events`);
  // How it stands, which may have changed since the page was written.
  source.addEventListener('order', ({ data }) => { if (JSON.parse(data).status !== order().dataset.status) refresh(); });
  for (const kind of ['placed', 'paid', 'payment_attempt_failed', 'payment_declined', 'payment_parked', 'payment_resolution_refused']) {
    source.addEventListener(`order.${kind}`, async () => {
      await refresh();
      if (order().dataset.final !== undefined) source.close();
    });
  }
}
