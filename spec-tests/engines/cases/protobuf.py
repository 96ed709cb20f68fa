"""protobuf.py - the wire format of protocol buffers for plain dictionaries: as much of it as a client of CRI needs.

A message is described by a line: its name, then FIELD=NUMBER:TYPE, where TYPE is i (integer or bool), s (string, which may
be left out), b (bytes), map (of strings), or the name of another message; * in front means repeated.
"""


def schema(text):
    messages = {}
    for line in text.strip().splitlines():
        name, *fields = line.split()
        messages[name] = {}
        for field in fields:
            key, _, rest = field.partition("=")
            number, _, kind = rest.partition(":")
            messages[name][key] = (int(number), kind or "s")
    return messages


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def delimited(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def encode(messages, name, value):
    out = b""
    for key, content in value.items():
        number, kind = messages[name][key]
        repeated = kind.startswith("*")
        kind = kind.lstrip("*")
        if kind == "map":
            for pair in content.items():
                out += delimited(number, b"".join(delimited(n, text.encode()) for n, text in zip((1, 2), pair)))
            continue
        for one in content if repeated else [content]:
            if kind == "i":
                out += varint(number << 3) + varint(int(one))
            elif kind in "sb":
                out += delimited(number, one.encode() if isinstance(one, str) else one)
            else:
                out += delimited(number, encode(messages, kind, one))
    return out


def decode(messages, name, data):
    names = {number: (key, kind) for key, (number, kind) in messages[name].items()}
    position, value = 0, {}

    def number():
        nonlocal position
        result = shift = 0
        while True:
            byte = data[position]
            position += 1
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return result

    while position < len(data):
        tag = number()
        if tag & 7 == 0:
            content = number()
        elif tag & 7 == 2:
            length = number()
            content, position = data[position:position + length], position + length
        else: # fixed 32 and 64 bits, which nothing here reads
            position += 4 if tag & 7 == 5 else 8
            continue
        key, kind = names.get(tag >> 3, (None, None))
        if key is None:
            continue
        repeated = kind.startswith("*")
        kind = kind.lstrip("*")
        if kind == "s":
            content = content.decode(errors="replace")
        elif kind == "i":
            content -= (content >> 63) << 64
        elif kind not in ("b", "map"):
            content = decode(messages, kind, content)
        if repeated:
            value.setdefault(key, []).append(content)
        else:
            value[key] = content
    return value
