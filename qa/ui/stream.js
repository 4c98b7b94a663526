// Gradio's client hears the answers to a page's events on one stream, which the server ends when none
// is awaited. An event that is sent in that moment is taken to be heard on the ending stream, and its
// answer waits at the server, unheard, until something else is asked. So what stands between the
// client and the network here tells it of an end only when nothing it sent is unanswered.
// Nor does the client send what is asked while it waits to hear that something was stopped: it need
// not wait, for what it stops has a name of its own. And what was stopped is told to have succeeded
// with nothing, in which the client fails and draws a box "Error": it is told that it came to nothing.
(() => {
  const direct = window.fetch.bind(window);
  const joining = new Set(), awaited = new Set();

  const join = (...request) => {
    const answer = direct(...request);
    const known = answer.then(async response => {
      if (response.ok) awaited.add((await response.clone().json()).event_id);
    }).catch(() => {}).finally(() => joining.delete(known));
    joining.add(known);
    return known.then(() => answer);
  };

  // Hands on what a stream says, message by message; true if it ended with nothing left to await.
  const relay = async (response, controller) => {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const encoder = new TextEncoder();
    for (let text = ''; ;) {
      const {value, done} = await reader.read();
      if (done) return true;
      const said = (text + value).split('\n\n');
      text = said.pop();
      for (const one of said) {
        const message = JSON.parse(one.slice(one.indexOf(':') + 1));
        const isEmpty = message.msg === 'process_completed' && message.output && !Object.keys(message.output).length;
        if (message.msg === 'process_completed') awaited.delete(message.event_id);
        const isEnd = message.msg === 'close_stream';
        while (isEnd && joining.size) await Promise.all(joining);
        if (isEnd && awaited.size) return false;
        const told = isEmpty ? `data: ${JSON.stringify({...message, success: false})}` : one;
        controller.enqueue(encoder.encode(`${told}\n\n`));
        if (isEnd) return true;
      }
    }
  };

  const listen = async request => {
    const first = await direct(request.clone());
    if (!first.ok) return first;
    const body = new ReadableStream({
      async start(controller) {
        try {
          let response = first;
          while (!await relay(response, controller)) response = await direct(request.clone());
          controller.close();
        } catch (error) {
          awaited.clear();
          controller.error(error);
        }
      },
    });
    return new Response(body, {headers: first.headers});
  };

  // A file that is too large is sent only as far as shows that it is: the server refuses it by its name,
  // and takes the others.
  const cut = form => {
    const files = form.getAll('files');
    form.delete('files');
    for (const file of files) form.append('files', file.slice(0, window.mostBytes + 1, file.type), file.name);
  };

  window.fetch = (...request) => {
    const url = new URL(request[0].url ?? request[0], location.href);
    if (url.pathname.endsWith('/queue/join')) return join(...request);
    if (url.pathname.endsWith('/queue/data')) return listen(request[0]);
    if (url.pathname.endsWith('/upload')) cut(request[1].body);
    if (/\/(cancel|reset)$/.test(url.pathname)) {
      direct(...request).catch(() => {});
      return Promise.resolve(new Response('{}'));
    }
    return direct(...request);
  };
})();
