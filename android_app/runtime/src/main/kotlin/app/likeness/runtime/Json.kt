package app.likeness.runtime

// The core describes bundles and adapters in JSON. Android's org.json is not on the JVM, where this library's tests
// run, and the header has no other way to the few fields that are needed: hence a reader of its own, as small as JSON.

/** JSON that is not what was agreed with the core. */
internal class JsonException(message: String) : Exception(message)

/**
 * [text] as Map, List, String, Double, Boolean or null. Exactly RFC 8259: [JsonException] for anything else, for a key
 * that an object has twice, and for nesting deeper than any file of this project.
 */
internal fun parseJson(text: String): Any? = JsonReader(text).readAll()

private class JsonReader(private val text: String) {
    private var at = 0

    fun readAll(): Any? {
        val value = value(depth = 0)
        space()
        if (at != text.length) fail("more than one value")
        return value
    }

    private fun value(depth: Int): Any? {
        if (depth > MAX_DEPTH) fail("nested too deeply")
        space()
        return when (text.getOrNull(at)) {
            '{' -> members(depth)
            '[' -> elements(depth)
            '"' -> string()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> number()
        }
    }

    private fun members(depth: Int): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        list('{', '}') {
            space()
            val key = string()
            space()
            expect(':')
            if (key in members) fail("the key $key twice")
            members[key] = value(depth + 1)
        }
        return members
    }

    private fun elements(depth: Int): List<Any?> {
        val elements = ArrayList<Any?>()
        list('[', ']') { elements += value(depth + 1) }
        return elements
    }

    private inline fun list(open: Char, close: Char, item: () -> Unit) {
        expect(open)
        space()
        if (text.getOrNull(at) != close) {
            item()
            space()
            while (text.getOrNull(at) == ',') {
                at++
                item()
                space()
            }
        }
        expect(close)
    }

    private fun string(): String {
        expect('"')
        val out = StringBuilder()
        while (true) {
            val char = text.getOrNull(at++) ?: fail("a text without an end")
            when {
                char == '"' -> return out.toString()
                char == '\\' -> out.append(escaped())
                char < ' ' -> fail("a control character in a text")
                else -> out.append(char)
            }
        }
    }

    private fun escaped(): Char = when (val char = text.getOrNull(at++)) {
        '"', '\\', '/' -> char
        'b' -> '\b'
        'f' -> '\u000C'
        'n' -> '\n'
        'r' -> '\r'
        't' -> '\t'
        'u' -> unicode()
        else -> fail("an unknown escape")
    }

    private fun unicode(): Char {
        val digits = text.substring(at, minOf(at + HEX_DIGITS, text.length))
        if (digits.length != HEX_DIGITS || !digits.all { it in "0123456789abcdefABCDEF" }) fail("an unknown escape")
        at += HEX_DIGITS
        return digits.toInt(radix = 16).toChar()
    }

    private fun number(): Double {
        val match = NUMBER.matchAt(text, at) ?: fail("no value")
        at = match.range.last + 1
        return match.value.toDouble()
    }

    private fun <T> word(word: String, value: T): T {
        if (!text.startsWith(word, at)) fail("an unknown word")
        at += word.length
        return value
    }

    private fun expect(char: Char) {
        if (text.getOrNull(at) != char) fail("no $char")
        at++
    }

    private fun space() {
        while (at < text.length && text[at] in " \t\n\r") at++
    }

    private fun fail(problem: String): Nothing = throw JsonException("$problem at character $at")

    private companion object {
        const val MAX_DEPTH = 64
        const val HEX_DIGITS = 4
        val NUMBER = Regex("-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?")
    }
}
