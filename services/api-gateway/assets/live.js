// One connection on which everything is told (/live), taken up again where it was lost.

// The server says something every second; a connection that is silent for so long is none any more.
const SILENCE = 6000;
const PAUSE = 1500;

export function follow(status, hear) {
  let source, watchdog, position;

  function say(state, text) {
    status.dataset.state = state;
    status.querySelector('.text').textContent = text;
  }

  function alive() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => again(), SILENCE);
  }

  // Where the browser connects by itself it says where it was; a new connection has to be told.
  function again() {
    source.close();
    say('lost', 'connection lost, trying again');
    setTimeout(connect, PAUSE);
  }

  function connect() {
    clearTimeout(watchdog);
    source = new EventSource(position ? `/live?after=${encodeURIComponent(position)}` : '/live');
    source.onopen = () => { say('live', 'live'); alive(); };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) again();
      else say('lost', 'connection lost, trying again');
    };
    for (const [name, listener] of Object.entries(hear)) {
      source.addEventListener(name, (event) => {
        alive();
        if (event.lastEventId) position = event.lastEventId;
        listener(JSON.parse(event.data));
      });
    }
  }

  connect();
}
