// The project as the page knows it.

import {changes, get, post, save, settled} from '/static/server.js';

class Store {
  // Set by the screen that is shown: what it says may have changed.
  redraw = () => {};
  schema_sent = Promise.resolve();

  // Everything as the server has it, once it has all changes of this page: an answer from before would take them back.
  async load() {
    for (;;) {
      await settled();
      const before = changes(), project = await get('/api/project');
      if (changes() === before) {
        Object.assign(this, project);
        return;
      }
    }
  }

  // animal id -> {points, box, origin} of an image
  of(image) {
    return this.animals[image.name] ?? {};
  }

  isLabelled(image) {
    return Object.values(this.of(image)).some((animal) => Object.keys(animal.points).length);
  }

  // Takes the whole animal; null deletes it.
  setAnimal(image, id, animal) {
    this.#put(image, id, animal);
    const {points, box, origin} = animal ?? {points: {}, box: null, origin: 'drawn'};
    this.#save('/api/animal', image, id, {points, box, deleted: !animal, origin});
  }

  // A prediction and what a person says of it, in one change.
  decide(image, {animal: id, box}, decision, points, round) {
    const rejected = decision === 'reject';
    this.#put(image, id, rejected ? null : {points, box, origin: decision === 'accept' ? 'accepted' : 'corrected'});
    this.decisions[image.name] ??= {};
    this.decisions[image.name][id] = decision;
    this.#save('/api/review', image, id, {decision, points: rejected ? {} : points, box: rejected ? null : box, round});
  }

  #put(image, id, animal) {
    this.animals[image.name] ??= {};
    if (animal) this.animals[image.name][id] = animal; else delete this.animals[image.name][id];
  }

  // The revision says on what the change was made: that of another tab is not overwritten.
  #save(path, image, id, body) {
    const revisions = () => { this.revisions[image.name] ??= {}; return this.revisions[image.name]; };
    save(JSON.stringify([image.name, id]), path,
      () => ({image: image.name, animal: id, revision: revisions()[id] ?? 0, ...body}),
      ({revision}) => { revisions()[id] = revision; },
      () => this.reload());
  }

  async reload() {
    await this.load();
    this.redraw();
  }

  // A keypoint whose id is null gets one from the server. One after the other, as each is made on the last revision.
  setSchema(schema) {
    const sent = this.schema_sent.catch(() => {}).then(() => this.#setSchema(schema));
    this.schema_sent = sent;
    return sent;
  }

  async #setSchema(schema) {
    const whole = {category: this.category, keypoints: this.keypoints, links: this.links, pairs: this.pairs, ...schema};
    try {
      Object.assign(this, whole, await post('/api/schema', {...whole, revision: this.schema_revision}));
    } catch (error) {
      if (error.status) await this.reload();
      throw error;
    }
  }

  newAnimal(image) {
    const ids = new Set(Object.keys(this.of(image)));
    let number = 1;
    while (ids.has(`a${number}`)) number += 1;
    return `a${number}`;
  }
}

export const store = new Store();
