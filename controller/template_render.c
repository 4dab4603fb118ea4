/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/name.h"
#include "controller/template.h"
#include "controller/template_code.h"

struct frame {
    const struct template_value *at;
    size_t left; /* items of the list that are still to come */
};

static const struct template_value absent;

static const struct template_value *look_up(const struct template *t, const struct op *op,
                                            const struct frame *frames)
{
    const struct template_value *v = frames[op->frame].at;

    if (op->here)
        return v;
    v += op->slot;
    for (unsigned i = 0; i < op->n_steps; i++) {
        if (!v->data)
            return &absent;
        v = (const struct template_value *)v->data + t->steps[op->first_step + i];
    }
    return v;
}

/* buf_add() where it matters: most of rendering is this. */
static inline void emit(struct buf *out, const void *data, size_t n)
{
    if (out->cap - out->len <= n)
        buf_reserve(out, n);
    if (n > 0)
        memcpy(out->data + out->len, data, n);
    out->len += n;
}

static int bad_value(const struct template *t, const struct op *op, const struct template_value *v,
                     const char *subject, struct error_list *err)
{
    const struct place *p = &t->places[op->place];

    return error_add(err, t->sources[p->source], p->line, NULL,
                     "{{%s}} of %s may not stand in a configuration file: '%.*s'%s holds a control "
                     "character, a quote, a backslash or broken text; change it in the model",
                     t->names.data + p->name, subject, (int)(v->n < 80 ? v->n : 80),
                     (const char *)v->data, v->n > 80 ? "..." : "");
}

int template_render(const struct template *t, const struct template_value *root,
                    const char *subject, struct buf *out, struct error_list *err)
{
    struct frame frames[TEMPLATE_MAX_FRAMES] = {{.at = root}};
    const struct template_value *v;
    int result = 0;

    for (size_t pc = 0; pc < t->n_ops;) {
        const struct op *op = &t->ops[pc++], *begin;
        struct frame *f;

        switch ((enum op_code)op->code) {
        case OP_LITERAL:
            emit(out, t->literals.data + op->a, op->b);
            break;
        case OP_TEXT:
            v = look_up(t, op, frames);
            if (value_valid(v->data, v->n))
                emit(out, v->data, v->n);
            else
                result = bad_value(t, op, v, subject, err);
            break;
        case OP_NUMBER:
            buf_number(out, look_up(t, op, frames)->n);
            break;
        case OP_TEST:
        case OP_TEST_NOT:
            v = look_up(t, op, frames);
            if ((op->by_data ? v->data != NULL : v->n != 0) != (op->code == OP_TEST))
                pc = op->a;
            break;
        case OP_ENTER:
        case OP_LOOP:
            v = look_up(t, op, frames);
            f = &frames[op->push];
            if (op->by_data ? !v->data : v->n == 0) {
                pc = op->a;
            } else if (op->code == OP_LOOP) {
                *f = (struct frame){.at = v->data, .left = v->n};
            } else {
                *f = (struct frame){.at = op->by_data ? v->data : v, .left = 1};
            }
            break;
        case OP_END:
            begin = &t->ops[op->a];
            f = &frames[begin->push];
            if (--f->left > 0) {
                f->at += begin->b;
                pc = op->a + 1;
            }
            break;
        }
    }
    emit(out, "", 0);
    out->data[out->len] = '\0';
    return result;
}
