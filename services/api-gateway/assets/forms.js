// Sends forms to the API as JSON, and shows what it answers.

// What is sent may be sent again: the server knows it by the key.
export async function post(path, body, headers = {}) {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const json = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : {};
  if (!response.ok) throw Object.assign(new Error(explain(json, response)), { status: response.status, after: Number(response.headers.get('Retry-After')) });
  return json;
}

export function explain(problem, response) {
  const fields = (problem.errors ?? []).map(({ pointer, detail }) => `${pointer.slice(1)}: ${detail}`);
  return fields.join('; ') || problem.detail || `the server answered ${response.status}`;
}

export function answer(place, text, bad = false) {
  place.dataset.state = bad ? 'bad' : '';
  place.textContent = text;
}

for (const form of document.querySelectorAll('form[data-post]')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const place = form.querySelector('.answer');
    if (form.dataset.post === '/login' && !isSecureContext) {
      answer(place, 'Browsers keep a login only over HTTPS, or on the machine itself.', true);
      return;
    }
    const button = form.querySelector('button');
    button.disabled = true;
    try {
      await post(form.dataset.post, Object.fromEntries(new FormData(form)));
      if (form.dataset.then === 'reload') location.reload();
      else location.assign(form.dataset.then);
    } catch (error) {
      if (place) answer(place, error.message, true);
    } finally {
      button.disabled = false;
    }
  });
}
