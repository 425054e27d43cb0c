// The project as the page knows it.

import {get, post, save} from '/static/server.js';

class Store {
  async load() {
    Object.assign(this, await get('/api/project'));
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
    const before = this.of(image)[id];
    const put = (value) => {
      this.animals[image.name] ??= {};
      if (value) this.animals[image.name][id] = value; else delete this.animals[image.name][id];
    };
    put(animal);
    const {points, box, origin} = animal ?? {points: {}, box: null, origin: 'drawn'};
    save('/api/animal', {image: image.name, animal: id, points, box, deleted: !animal, origin}, () => put(before));
  }

  async setSchema(schema) {
    const whole = {category: this.category, keypoints: this.keypoints, links: this.links, pairs: this.pairs, ...schema};
    await post('/api/schema', whole);
    Object.assign(this, whole);
  }

  newAnimal(image) {
    const ids = new Set(Object.keys(this.of(image)));
    let number = 1;
    while (ids.has(`a${number}`)) number += 1;
    return `a${number}`;
  }
}

export const store = new Store();
