package app.likeness.pictures

import android.content.Context
import android.view.View
import android.view.ViewGroup
import android.widget.BaseAdapter
import android.widget.GridView
import android.widget.ImageView
import app.likeness.R
import app.likeness.navigation.Host
import app.likeness.navigation.Route
import app.likeness.navigation.Screen
import app.likeness.storage.KeptPicture
import app.likeness.views.PictureLoader
import kotlinx.coroutines.launch

/** All kept pictures in a grid. */
class PicturesScreen(host: Host, parent: ViewGroup, model: PicturesViewModel) :
    Screen(host, R.layout.screen_pictures, parent) {
    override val title = string(R.string.pictures_title)
    private val side = host.activity.resources.displayMetrics.densityDpi * 112 / 160
    private val loader = PictureLoader(host.scope, host.io, side)
    private val tiles = PictureTiles(host.activity, side) { picture, view -> loader.show(model.file(picture.id), view) }

    init {
        find<GridView>(R.id.pictures).apply {
            adapter = tiles
            emptyView = find(R.id.empty)
            setOnItemClickListener { _, _, position, _ -> host.go(Route.PictureDetail(tiles.getItem(position).id)) }
        }
        host.scope.launch { model.state.collect { tiles.show(it.pictures) } }
    }
}

private class PictureTiles(
    private val context: Context,
    private val side: Int,
    private val load: (KeptPicture, ImageView) -> Unit,
) : BaseAdapter() {
    private var pictures = emptyList<KeptPicture>()

    fun show(pictures: List<KeptPicture>) {
        this.pictures = pictures
        notifyDataSetChanged()
    }

    override fun getCount() = pictures.size

    override fun getItem(position: Int) = pictures[position]

    override fun getItemId(position: Int) = pictures[position].id.hashCode().toLong()

    override fun getView(position: Int, used: View?, parent: ViewGroup): View {
        val tile = used as? ImageView ?: ImageView(context).apply {
            scaleType = ImageView.ScaleType.CENTER_CROP
            minimumHeight = side
        }
        val picture = pictures[position]
        tile.contentDescription = context.getString(R.string.picture_description, picture.prompt)
        load(picture, tile)
        return tile
    }
}
