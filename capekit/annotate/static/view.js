// One image with its points. Pixel centres are integers, as in OpenCV: the image's corner stands at (-0.5, -0.5).

import {colour, h} from '/static/html.js';

const DRAG_PIXELS = 3;

export class View {
  // handlers: place(x, y, hidden), move(id, [x, y, visibility]), box([x, y, w, h]); left out where nothing may be changed
  constructor(handlers = {}) {
    this.handlers = handlers;
    this.drawsBox = false;
    this.picture = h('image', {x: -0.5, y: -0.5, preserveAspectRatio: 'none'});
    this.layer = h('g');
    this.svg = h('svg', {class: 'image', 'aria-label': 'image', onwheel: (event) => this.wheel(event),
      onpointerdown: (event) => this.down(event), onpointermove: (event) => this.moved(event),
      onpointerup: (event) => this.up(event), onpointercancel: () => { this.grab = null; },
      oncontextmenu: (event) => event.preventDefault(), ondblclick: (event) => event.preventDefault()},
    this.picture, this.layer);
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  show(image) {
    if (this.image === image) return;
    this.image = image;
    this.picture.setAttribute('href', `/image/${encodeURIComponent(image.name)}`);
    this.picture.setAttribute('width', image.width);
    this.picture.setAttribute('height', image.height);
    this.frame(-0.5, -0.5, image.width, image.height);
  }

  frame(x, y, width, height) {
    this.area = {x, y, width, height};
    this.svg.setAttribute('viewBox', `${x} ${y} ${width} ${height}`);
    this.draw();
  }

  // Screen pixels per image pixel.
  scale() {
    const {width, height} = this.svg.getBoundingClientRect();
    return this.area && width ? Math.min(width / this.area.width, height / this.area.height) : 1;
  }

  at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  inside([x, y]) {
    return x >= -0.5 && y >= -0.5 && x <= this.image.width - 0.5 && y <= this.image.height - 0.5;
  }

  wheel(event) {
    event.preventDefault();
    const factor = Math.exp(event.deltaY * 0.0015), [x, y] = this.at(event), {area, image} = this;
    const width = Math.min(Math.max(area.width * factor, 8), image.width * 1.2), by = width / area.width;
    if (width >= image.width && factor > 1) return this.frame(-0.5, -0.5, image.width, image.height);
    this.frame(x - (x - area.x) * by, y - (y - area.y) * by, width, area.height * by);
  }

  down(event) {
    if (event.button > 2) return;
    this.svg.setPointerCapture(event.pointerId);
    const id = event.target.dataset?.id ?? null;
    this.grab = {id, from: [event.clientX, event.clientY], start: this.at(event), area: this.area, button: event.button,
      dragged: false, box: this.drawsBox || event.shiftKey};
  }

  moved(event) {
    const {grab} = this;
    if (!grab) return;
    const [dx, dy] = [event.clientX - grab.from[0], event.clientY - grab.from[1]];
    if (!grab.dragged && Math.hypot(dx, dy) < DRAG_PIXELS) return;
    grab.dragged = true;
    if (grab.box) this.trial = box(grab.start, this.at(event), this.image);
    else if (grab.id && this.handlers.move) this.moving = {id: grab.id, at: clamp(this.at(event), this.image)};
    else {
      const scale = this.scale();
      this.frame(grab.area.x - dx / scale, grab.area.y - dy / scale, grab.area.width, grab.area.height);
    }
    this.draw();
  }

  up(event) {
    const {grab, moving, trial, handlers} = this;
    this.grab = this.moving = this.trial = null;
    if (!grab) return;
    if (trial) { if (trial[2] > 1 && trial[3] > 1) handlers.box?.(trial); }
    else if (moving) {
      const before = this.points[moving.id];  // what was hidden beyond the border is no longer
      handlers.move(moving.id, [...moving.at, this.inside(before) ? before[2] : 2]);
    }
    else if (!grab.dragged && grab.button !== 1) {
      const at = this.at(event);
      if (this.inside(at)) handlers.place?.(...at, grab.button === 2);
    }
    this.draw();
  }

  // points: id -> [x, y, visibility]; box or null; other: further animals, drawn pale
  set(points, keypoints, links, {current = null, box: own = null, titles = {}} = {}) {
    Object.assign(this, {points, keypoints, links, current, own, titles});
    this.draw();
  }

  draw() {
    if (!this.points || !this.area) return;
    const unit = 1 / this.scale(), shown = {...this.points}, {moving} = this;
    if (moving && shown[moving.id]) shown[moving.id] = [...moving.at, shown[moving.id][2]];
    const own = this.trial ?? this.own;
    this.layer.replaceChildren(
      ...(own ? [h('rect', {class: 'box', x: own[0], y: own[1], width: own[2], height: own[3]})] : []),
      ...this.links.filter(([a, b]) => shown[a] && shown[b]).map(([a, b]) => h('line',
        {class: 'link', x1: shown[a][0], y1: shown[a][1], x2: shown[b][0], y2: shown[b][1]})),
      ...this.keypoints.flatMap(({id, name}, index) => (shown[id] ? [h('circle', {
        class: `point${shown[id][2] === 1 ? ' hidden' : ''}${id === this.current ? ' current' : ''}`, 'data-id': id,
        cx: shown[id][0], cy: shown[id][1], r: 6 * unit, fill: colour(index, this.keypoints.length)},
      h('title', {}, this.titles[id] ?? name))] : [])));
  }
}

function clamp([x, y], {width, height}) {
  return [Math.min(Math.max(x, -0.5), width - 0.5), Math.min(Math.max(y, -0.5), height - 0.5)];
}

function box(a, b, image) {
  const [[x, y], [right, bottom]] = [clamp([Math.min(a[0], b[0]), Math.min(a[1], b[1])], image),
    clamp([Math.max(a[0], b[0]), Math.max(a[1], b[1])], image)];
  return [x, y, right - x, bottom - y];
}
