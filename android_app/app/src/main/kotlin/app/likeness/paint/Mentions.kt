package app.likeness.paint

import app.likeness.storage.Subject

/** The subjects of [all] that [prompt] names, in the order of [all]. A word counts only as a whole. */
fun subjectsIn(prompt: String, all: List<Subject>): List<Subject> =
    all.filter { subject -> subject.tokens.any { mentions(prompt, it) } }

/** [prompt] with [words] put in at [position], spaced. Returns it and the position behind them. */
fun insertWords(prompt: String, words: String, position: Int): Pair<String, Int> {
    val at = position.coerceIn(0, prompt.length)
    val before = prompt.take(at)
    val after = prompt.drop(at)
    val start = if (before.isEmpty() || before.last().isWhitespace()) before else "$before "
    val end = if (after.isEmpty() || !after.first().isLetterOrDigit()) after else " $after"
    return (start + words + end) to (start.length + words.length)
}

private fun mentions(prompt: String, token: String): Boolean =
    Regex("(?<![\\p{L}\\p{N}])" + Regex.escape(token) + "(?![\\p{L}\\p{N}])", RegexOption.IGNORE_CASE)
        .containsMatchIn(prompt)
