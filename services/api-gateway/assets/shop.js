// The shop's page: connects what is told live to what is seen, and the form to the API.
import { follow } from './live.js';
import { travel } from './flow.js';
import { feed } from './feed.js';
import { heardOf } from './orders.js';
import './forms.js';

const byId = (id) => document.getElementById(id);

function showFigures({ figures, states, instances }) {
  for (const place of document.querySelectorAll('[data-figure]')) {
    const text = figures[place.dataset.figure];
    if (text !== undefined && place.textContent !== text) place.textContent = text;
  }
  for (const place of document.querySelectorAll('[data-state-of]')) place.dataset.state = figures[place.dataset.stateOf] ?? '';
  for (const [service, state] of Object.entries(states)) {
    const node = byId(service);
    if (node) node.dataset.state = state;
  }
  const chaos = byId('chaos');
  if (chaos) chaos.hidden = states.supervisor === 'gone';
  for (const list of document.querySelectorAll('[data-instances]')) showInstances(list, instances[list.dataset.instances] ?? []);
}

function showInstances(list, instances) {
  const told = JSON.stringify(instances);
  if (list.dataset.told === told) return;
  list.dataset.told = told;
  list.replaceChildren(...instances.map(({ name, state }) => {
    const item = document.createElement('li');
    const spoken = document.createElement('span');
    item.dataset.state = state;
    spoken.className = 'sr';
    spoken.textContent = `, ${state}`;
    item.append(name, spoken);
    return item;
  }));
}

function showBoards(boards) {
  for (const { name, rows } of boards) {
    const body = document.querySelector(`[data-board="${name}"] tbody`);
    body?.replaceChildren(...rows.map(({ rank, member, score }) => {
      const row = document.createElement('tr');
      for (const text of [rank, member, score]) row.insertCell().textContent = text;
      row.lastChild.className = 'number';
      return row;
    }));
  }
}

function showMissed({ events, more }) {
  const notice = byId('missed');
  notice.textContent = `While the connection was lost ${more ? 'more than ' : ''}${events} ${events === 1 ? 'event was' : 'events were'} not shown here. Nothing is missing from the numbers.`;
  notice.hidden = false;
}

follow(byId('connection'), {
  now: showFigures,
  boards: showBoards,
  missed: showMissed,
  moments: ({ moments }) => {
    feed(byId('feed'), moments);
    travel(moments);
    heardOf(moments);
  },
});
