// Talking to the server. Changes are sent one after another, and again until the server has written them to disk.

const queue = [];
let sending = false;
let report = () => {};

export const unsaved = () => queue.length;
export const onSaving = (callback) => { report = callback; };

async function request(method, path, body) {
  const response = await fetch(path, {
    method, body: body === undefined || body instanceof Blob ? body : JSON.stringify(body), headers: {'X-Capekit': '1'},
  });
  const answer = await response.json().catch(() => ({error: `${response.status} ${response.statusText}`}));
  if (!response.ok) throw Object.assign(new Error(answer.error), {refused: true});
  return answer;
}

export const get = (path) => request('GET', path);
export const post = (path, body = {}) => request('POST', path, body);
export const put = (path, body) => request('PUT', path, body);
export const postFile = (path, file) => request('POST', path, file);

export function save(path, body, refused = () => {}) {
  queue.push({path, body, refused});
  report(queue.length, null);
  if (!sending) send();
}

async function send() {
  sending = true;
  while (queue.length) {
    const {path, body, refused} = queue[0];
    try {
      await post(path, body);
      queue.shift();
      report(queue.length, null);
    } catch (error) {
      if (error.refused) {
        queue.shift();
        report(queue.length, error.message);
        refused();
      } else {
        report(queue.length, null, true);
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
    }
  }
  sending = false;
}

window.addEventListener('beforeunload', (event) => { if (queue.length) event.preventDefault(); });
