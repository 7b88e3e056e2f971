// The newest events, newest first.

const MOST = 40;
const WORDS = { placed: 'placed', paid: 'paid', declined: 'declined', parked: 'parked', failed: 'attempt failed', refused: 'decision refused' };
const admin = document.body.dataset.admin !== undefined;

export function feed(list, moments) {
  const items = moments.map(item).reverse();
  list.prepend(...items);
  while (list.childElementCount > MOST) list.lastElementChild.remove();
}

function item({ kind, order, at, amount, by, place }) {
  const li = document.createElement('li');
  li.className = kind;
  li.append(element('time', new Date(at).toLocaleTimeString([], { hour12: false })), element('b', WORDS[kind] ?? kind), label(order, place));
  for (const text of [amount, by]) if (text) li.append(element('span', text));
  return li;
}

// Only an admin may see any order; others follow their own, which are listed where they were placed.
function label(order, place) {
  if (!admin) return element('code', order);
  const link = element('a', order);
  link.className = 'code';
  link.href = `/orders/at/${place}`;
  return link;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
